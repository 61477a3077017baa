//! Properties of sealed data and streams: only what was sealed opens, complete and with its context.

#![allow(clippy::unwrap_used)] // a panic is a finding

use std::sync::OnceLock;
use std::time::Duration;

use crate::{Config, Gate, STREAM_CHUNK, STREAM_HEADER};

fn gate() -> &'static Gate {
    static GATE: OnceLock<Gate> = OnceLock::new();
    GATE.get_or_init(|| {
        let mut config = Config::new();
        for (name, value) in [
            ("keys", "ephemeral"),
            ("aes_key", "0123456789abcdef0123456789abcdef"),
        ] {
            config.set(name, value).unwrap();
        }
        Gate::new(&config.settings().unwrap().gate).unwrap()
    })
}

/// Input: two bytes that select what is damaged, one for the length of the context, then the context and the data.
pub(crate) fn sealed(input: &[u8]) {
    let Some((&[first, second, context], rest)) = input.split_first_chunk() else {
        return;
    };
    let (context, data) = rest.split_at(usize::from(context).min(rest.len()));
    let gate = gate();
    let at = usize::from(u16::from_be_bytes([first, second]));
    // Sealed data cannot be guessed. With the key's id in front it looks like sealed data.
    assert!(gate.open(data, context).is_err());
    let mut sealed = gate.seal(data, context).unwrap();
    let forged = [&sealed[..5], data].concat();
    assert!(gate.open(&forged, context).is_err());
    if let Ok(text) = std::str::from_utf8(data) {
        assert!(gate.decrypt_data(text, context).is_err());
        assert!(gate.decrypt_fresh(text, context, Duration::MAX).is_err());
        assert!(gate.unsign(text, context, None).is_err());
    }
    texts(gate, data, context, at);

    assert_eq!(gate.open(&sealed, context).unwrap().expose(), data);
    assert!(gate.open(&sealed, &[context, b"x"].concat()).is_err());
    assert!(gate.open(&sealed[..at % sealed.len()], context).is_err());
    let rewrapped = gate.rewrap(&sealed, context).unwrap();
    assert_eq!(gate.open(&rewrapped, context).unwrap().expose(), data);
    let place = at / 8 % sealed.len();
    sealed[place] ^= 1 << (at % 8);
    assert!(gate.open(&sealed, context).is_err());
    sealed[place] ^= 1 << (at % 8);
    sealed.push(first);
    assert!(gate.open(&sealed, context).is_err());
}

/// Text with a time and signed text, each changed in one place.
fn texts(gate: &Gate, data: &[u8], context: &[u8], at: usize) {
    let sealed = gate.encrypt_url_safe(data, context).unwrap();
    let signed = gate.sign(data, context).unwrap();
    let opened = gate.decrypt_fresh(&sealed, context, Duration::from_secs(3600));
    assert_eq!(opened.unwrap().expose(), data);
    let unsigned = gate.unsign(&signed, context, Some(Duration::from_secs(3600)));
    assert_eq!(unsigned.unwrap().payload, data);
    assert!(gate.unsign(&sealed, context, None).is_err());
    assert!(gate.decrypt_data(&signed, context).is_err());
    let change = |text: &str| {
        let mut changed = text.as_bytes().to_vec();
        let place = at / 8 % changed.len();
        changed[place] ^= 1 << (at % 8);
        String::from_utf8(changed).ok()
    };
    if let Some(changed) = change(&signed) {
        assert!(gate.unsign(&changed, context, None).is_err());
    }
    if let Some(changed) = change(&sealed) {
        assert!(gate.decrypt_data(&changed, context).is_err());
    }
}

/// Input: five bytes for the size, what is damaged and where, and the sizes of the pieces; then the context.
pub(crate) fn streams(input: &[u8]) {
    let Some((&[high, low, damage, at, piece], context)) = input.split_first_chunk() else {
        return;
    };
    let gate = gate();
    // Up to four chunks, often close to a chunk boundary.
    let size = match low {
        0..=15 => (STREAM_CHUNK * usize::from(high % 4) + usize::from(low)).saturating_sub(8),
        _ => usize::from(u16::from_be_bytes([high, low])) * 4,
    };
    let data: Vec<u8> = (0..size).map(|n| (n / 251) as u8 ^ piece).collect();
    let pieces = 1 + usize::from(piece) * 997;
    let mut stream = gate.seal_stream(context).unwrap();
    let mut sealed = run(&mut stream, &data, pieces).unwrap();
    let open = |sealed: &[u8], context: &[u8]| {
        run(&mut gate.open_stream(context).unwrap(), sealed, pieces + 13)
    };
    assert_eq!(open(&sealed, context).unwrap(), data);
    assert!(open(&sealed, &[context, b"x"].concat()).is_err());
    // Only the input's bytes, after a valid header.
    assert!(open(&[&sealed[..STREAM_HEADER], context].concat(), b"").is_err());

    let chunk = STREAM_CHUNK + 16;
    let chunks = (sealed.len() - STREAM_HEADER).div_ceil(chunk);
    let place = sealed.len() * usize::from(at) / 256;
    let start = |number: usize| (STREAM_HEADER + number * chunk).min(sealed.len());
    let (one, other) = (usize::from(at) % chunks, usize::from(damage / 8) % chunks);
    let parts = |order: &[usize]| {
        let parts = order
            .iter()
            .map(|&number| &sealed[start(number)..start(number + 1)]);
        parts.fold(sealed[..STREAM_HEADER].to_vec(), |all, part| {
            [&all, part].concat()
        })
    };
    let mut order: Vec<usize> = (0..chunks).collect();
    let changed = match damage % 6 {
        0 => {
            sealed[place] ^= 1 << (damage / 6 % 8);
            sealed
        }
        1 => sealed[..place].to_vec(),
        2 => [&sealed[..], &[at]].concat(),
        3 if one != other => {
            order.swap(one, other);
            parts(&order)
        }
        4 => {
            order.insert(other, one);
            parts(&order)
        }
        _ => {
            order.remove(one);
            parts(&order)
        }
    };
    assert!(
        open(&changed, context).is_err(),
        "damage {}, {chunks} chunks",
        damage % 6
    );
}

/// Everything that comes out of a stream, checked against the sizes that it announces.
fn run(stream: &mut crate::Stream, data: &[u8], pieces: usize) -> Result<Vec<u8>, crate::Error> {
    let mut all = Vec::new();
    for piece in data.chunks(pieces) {
        let mut out = vec![0; stream.push_size(piece.len())];
        let written = stream.push(piece, &mut out)?;
        assert_eq!(written, out.len());
        all.extend(out);
    }
    let mut out = vec![0; stream.finish_size()];
    assert_eq!(stream.finish(&mut out)?, out.len());
    assert!(stream.is_finished());
    all.extend(out);
    Ok(all)
}
