//! How buffers for client data grow.

/// Appends `bytes`. The buffer grows by half its content, and never beyond `most`, the expected total: it follows the
/// bytes received, not the length announced, and ends up no larger than its content.
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
    fn a_buffer_grows_with_the_bytes_received() {
        let total = 1_000_000;
        let mut buffer = Vec::new();
        while buffer.len() < total {
            let more = (total - buffer.len()).min(1000);
            append(&mut buffer, &vec![b' '; more], total);
            assert!(buffer.capacity() <= (buffer.len() + buffer.len() / 2).min(total));
        }
        assert_eq!(buffer.capacity(), total);
        // Bytes beyond the announced length also fit, for example a second request.
        append(&mut buffer, b"more", total);
        assert_eq!(buffer.len(), total + 4);
    }
}
