//! Messages for systemd's journal, in its native protocol: a field a line, or its name, length and value if the value has
//! line feeds.

use log::Record;

use super::fields::{FACILITY, IDENTIFIER, fields, push_text, severity};

/// Marks the messages of the audit trail: `journalctl MESSAGE_ID=...`.
const MESSAGE_ID: &str = "5e1c6d0f3b7a4c0e9d28a4f1c07be395";

/// Writes a message.
pub(super) fn message(out: &mut Vec<u8>, record: &Record<'_>) {
    let fields = fields(record, |value| value);
    let mut text = Vec::new();
    push_text(&mut text, record, &fields);
    push_field(out, "MESSAGE", &text);
    push_field(out, "MESSAGE_ID", MESSAGE_ID.as_bytes());
    push_field(
        out,
        "PRIORITY",
        severity(record, &fields).to_string().as_bytes(),
    );
    push_field(out, "SYSLOG_FACILITY", FACILITY.to_string().as_bytes());
    push_field(out, "SYSLOG_IDENTIFIER", IDENTIFIER.as_bytes());
    for (name, value) in &fields {
        let name = format!("SEALGATE_{}", name.to_ascii_uppercase());
        push_field(out, &name, value.as_bytes());
    }
}

fn push_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    if value.contains(&b'\n') {
        out.push(b'\n');
        out.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        out.push(b'=');
    }
    out.extend_from_slice(value);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::Level;

    #[test]
    fn every_field_of_an_event_is_a_field_of_the_message() {
        let fields = [
            ("event", "login"),
            ("result", "ok"),
            ("user", "a\nPRIORITY=0\n***"),
        ];
        let mut out = Vec::new();
        let record = Record::builder()
            .level(Level::Info)
            .args(format_args!("audit"))
            .key_values(&fields)
            .build();
        message(&mut out, &record);
        let user = "a\nPRIORITY=0\n***";
        let expected = [
            br#"MESSAGE=audit event=login result=ok user="a\nPRIORITY=0\n***""#.as_slice(),
            b"\nMESSAGE_ID=5e1c6d0f3b7a4c0e9d28a4f1c07be395\nPRIORITY=6\nSYSLOG_FACILITY=10\n",
            b"SYSLOG_IDENTIFIER=sealgate\nSEALGATE_EVENT=login\nSEALGATE_RESULT=ok\nSEALGATE_USER\n",
            &(user.len() as u64).to_le_bytes(),
            user.as_bytes(),
            b"\n",
        ];
        assert_eq!(
            String::from_utf8_lossy(&out),
            String::from_utf8_lossy(&expected.concat())
        );
    }
}
