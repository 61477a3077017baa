//! How buffers grow that take in what clients send.

/// Appends `bytes`. The buffer grows by half of what it holds, and never beyond `most`, the bytes that are to come in all:
/// it follows what has come, not what is announced, and it is not larger in the end than what it holds.
pub(super) fn append(buffer: &mut Vec<u8>, bytes: &[u8], most: usize) {
    let needed = buffer.len() + bytes.len();
    if needed > buffer.capacity() {
        let wanted = (needed + needed / 2).min(most).max(needed);
        buffer.reserve_exact(wanted - buffer.len());
    }
    buffer.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_follows_what_has_come() {
        let total = 1_000_000;
        let mut buffer = Vec::new();
        while buffer.len() < total {
            let more = (total - buffer.len()).min(1000);
            append(&mut buffer, &vec![b' '; more], total);
            assert!(buffer.capacity() <= (buffer.len() + buffer.len() / 2).min(total));
        }
        assert_eq!(buffer.capacity(), total);
        // More than was announced, as where a second request follows, finds room too.
        append(&mut buffer, b"more", total);
        assert_eq!(buffer.len(), total + 4);
    }
}
