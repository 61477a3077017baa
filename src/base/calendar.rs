//! Dates of the calendar, in UTC.

/// The last second that has a year of four digits.
const LAST: u64 = 253_402_300_799;
const DAY: u64 = 86_400;
/// Days from 0000-03-01, with which the cycle begins, to 1970-01-01.
const BEFORE_1970: u64 = 719_468;
/// Days in the 400 years after which the calendar repeats itself.
const CYCLE: u64 = 146_097;

/// A second in the Gregorian calendar, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DateTime {
    pub(crate) year: u64,
    pub(crate) month: u64,
    pub(crate) day: u64,
    pub(crate) hour: u64,
    pub(crate) minute: u64,
    pub(crate) second: u64,
}

impl DateTime {
    /// The date of this many seconds since 1970-01-01 UTC; that day's beginning for a time after the year 9999, which no
    /// clock shows.
    ///
    /// The year begins in March here, so that a leap day is the last of its year, and lengths of months repeat every five
    /// months: 31, 30, 31, 30, 31 days.
    pub(crate) fn at(seconds: u64) -> Self {
        let seconds = if seconds > LAST { 0 } else { seconds };
        let days = seconds / DAY + BEFORE_1970;
        let in_cycle = days % CYCLE;
        // Without the leap days before it: one every 4 years, none every 100, one every 400.
        let without_leap_days =
            in_cycle - in_cycle / 1_460 + in_cycle / 36_524 - in_cycle / (CYCLE - 1);
        let year = without_leap_days / 365;
        let in_year = in_cycle - (365 * year + year / 4 - year / 100);
        let month = (5 * in_year + 2) / 153;
        let is_next_year = month >= 10;
        let of_day = seconds % DAY;
        DateTime {
            year: days / CYCLE * 400 + year + u64::from(is_next_year),
            month: if is_next_year { month - 9 } else { month + 3 },
            day: in_year - (153 * month + 2) / 5 + 1,
            hour: of_day / 3_600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts every day up to the end of the year 9999 as people do.
    #[test]
    fn every_day_is_the_one_after_the_day_before() {
        let (mut year, mut month, mut day) = (1970_u64, 1_u64, 1_u64);
        let mut seconds = 0;
        while seconds <= LAST {
            let date = DateTime::at(seconds);
            assert_eq!((date.year, date.month, date.day), (year, month, day));
            let is_leap_year =
                year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
            let last = match month {
                2 if is_leap_year => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > last {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
            seconds += DAY;
        }
        assert_eq!((year, month, day), (10_000, 1, 1));
    }

    #[test]
    fn a_day_has_its_hours_minutes_and_seconds() {
        let at = |seconds| {
            let DateTime {
                hour,
                minute,
                second,
                day,
                ..
            } = DateTime::at(seconds);
            (day, hour, minute, second)
        };
        assert_eq!(at(0), (1, 0, 0, 0));
        assert_eq!(at(3_599), (1, 0, 59, 59));
        assert_eq!(at(45_296), (1, 12, 34, 56));
        assert_eq!(at(DAY - 1), (1, 23, 59, 59));
        assert_eq!(at(DAY), (2, 0, 0, 0));
    }

    #[test]
    fn a_time_after_the_year_9999_is_that_of_a_clock_that_was_never_set() {
        assert_eq!(DateTime::at(LAST).year, 9999);
        for beyond in [LAST + 1, u64::MAX] {
            assert_eq!(DateTime::at(beyond), DateTime::at(0));
        }
    }
}
