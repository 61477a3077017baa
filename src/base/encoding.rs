//! Base64 and hexadecimal (RFC 4648) for all public interfaces: strict, except that data may contain white space, because
//! command-line tools wrap their lines.

use crate::Error;

/// Standard alphabet with padding.
pub(crate) fn encode_base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

/// Standard alphabet, canonical padding and trailing bits; ASCII white space is skipped.
pub(crate) fn decode_base64(text: &str) -> Result<Vec<u8>, Error> {
    let strict = base64_simd::STANDARD.decode_to_vec(text.as_bytes());
    if let Ok(bytes) = strict {
        return Ok(bytes);
    }
    if !text.bytes().any(|byte| byte.is_ascii_whitespace()) {
        return Err(Error::Decrypt);
    }
    // No larger than the text, which may come from an attacker.
    let mut packed = Vec::with_capacity(text.len());
    packed.extend(text.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    let decoded = base64_simd::STANDARD.decode_inplace(&mut packed);
    let length = decoded.map_err(|_| Error::Decrypt)?.len();
    packed.truncate(length);
    Ok(packed)
}

/// Lower-case hexadecimal digits.
pub(crate) fn encode_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// URL-safe alphabet without padding, as JOSE uses it.
pub(crate) fn encode_url(bytes: &[u8]) -> String {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// URL-safe alphabet without padding; rejects anything that is not canonical.
pub(crate) fn decode_url(text: &str) -> Option<Vec<u8>> {
    base64_simd::URL_SAFE_NO_PAD.decode_to_vec(text).ok()
}

/// Whether `decode_url` would accept it.
pub(crate) fn is_canonical_url(text: &str) -> bool {
    base64_simd::URL_SAFE_NO_PAD.check(text.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_encoding_is_accepted() {
        assert_eq!(decode_base64("AAE=").unwrap(), [0, 1]);
        for wrong in ["AAF=", "AAE", "AAE==", "AA E=", "A-E=", "====", "A"] {
            let unspaced = wrong.replace(' ', "");
            if unspaced == "AAE=" {
                continue;
            }
            assert_eq!(decode_base64(wrong), Err(Error::Decrypt), "{wrong}");
        }
        assert_eq!(decode_base64(" AA\r\nE=\n").unwrap(), [0, 1]);
        assert_eq!(decode_url("AAE").unwrap(), [0, 1]);
        for wrong in ["AAF", "AAE=", "A/E", "AA E", "A"] {
            assert_eq!(decode_url(wrong), None, "{wrong}");
            assert!(!is_canonical_url(wrong), "{wrong}");
        }
    }
}
