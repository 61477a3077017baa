//! Properties of streams, chunk by chunk. tests/keys/streams.rs tests them through the command.

use serde_json::Value;

use super::*;
use crate::cipher::tests::{unhex, vectors};
use crate::{Config, Gate};

fn key() -> DataKey {
    DataKey::new(&[7; 32]).unwrap()
}

fn opener(context: &[u8]) -> Stream {
    let find: FindKey = Box::new(|header| match header.key_id() == key().id() {
        true => key().stream_key(header),
        false => Err(Error::Decrypt),
    });
    Stream::open(find, context).unwrap()
}

/// All output when the data is pushed in pieces of this size.
fn through(mut stream: Stream, data: &[u8], piece: usize) -> Result<Vec<u8>, Error> {
    let mut all = Vec::new();
    for piece in data.chunks(piece) {
        let size = stream.push_size(piece.len());
        let mut out = vec![0; size];
        assert_eq!(stream.push(piece, &mut out)?, size);
        all.extend_from_slice(&out);
    }
    let mut out = vec![0; stream.finish_size()];
    assert_eq!(stream.finish(&mut out)?, out.len());
    all.extend_from_slice(&out);
    Ok(all)
}

fn seal(data: &[u8], context: &[u8]) -> Vec<u8> {
    through(Stream::seal(&key(), context).unwrap(), data, 1 << 20).unwrap()
}

fn open(sealed: &[u8]) -> Result<Vec<u8>, Error> {
    through(opener(b"place"), sealed, 100_000)
}

fn data(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at / 251 + at) as u8).collect()
}

#[test]
fn any_size_in_pieces_of_any_size_round_trips() {
    let chunk = STREAM_CHUNK;
    for size in [0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk, 3 * chunk + 17] {
        let data = data(size);
        for piece in [1000, chunk - 1, chunk, chunk + 16, chunk + 17, 1 << 20] {
            let sealed = through(Stream::seal(&key(), b"place").unwrap(), &data, piece).unwrap();
            let chunks = size.div_ceil(chunk).max(1);
            assert_eq!(sealed.len(), STREAM_HEADER + size + chunks * TAG);
            assert_eq!(through(opener(b"place"), &sealed, piece).unwrap(), data);
        }
    }
    let small = data(300);
    let sealed = through(Stream::seal(&key(), b"").unwrap(), &small, 1).unwrap();
    assert_eq!(through(opener(b""), &sealed, 1).unwrap(), small);
}

#[test]
fn another_context_another_key_and_another_version_do_not_open() {
    let sealed = seal(b"some data", b"place");
    assert_eq!(open(&sealed).unwrap(), b"some data");
    for context in [&b""[..], b"plac", b"place "] {
        assert_eq!(through(opener(context), &sealed, 64), Err(Error::Decrypt));
    }
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 0x10;
        assert_eq!(open(&changed), Err(Error::Decrypt), "byte {at}");
    }
}

#[test]
fn truncated_moved_duplicated_dropped_or_added_chunks_do_not_open() {
    let sealed = seal(&data(3 * STREAM_CHUNK + 5), b"place");
    let (header, rest) = sealed.split_at(STREAM_HEADER);
    let chunks: Vec<&[u8]> = rest.chunks(SEALED_CHUNK).collect();
    assert!(open(&sealed).is_ok());
    let other = seal(&data(3 * STREAM_CHUNK + 5), b"place");
    let foreign = &other[STREAM_HEADER..][..SEALED_CHUNK];
    let (a, b, c, last) = (chunks[0], chunks[1], chunks[2], chunks[3]);
    for (what, chunks) in [
        ("nothing after the header", vec![]),
        ("the last chunk missing", vec![a, b, c]),
        ("two missing", vec![a, b]),
        ("the first one missing", vec![b, c, last]),
        ("a middle one missing", vec![a, c, last]),
        ("only the last", vec![last]),
        ("two swapped", vec![b, a, c, last]),
        ("one duplicated", vec![a, a, b, c, last]),
        ("the last one duplicated", vec![a, b, c, last, last]),
        ("the last one too early", vec![a, b, last, c]),
        (
            "one from another stream under the same key",
            vec![foreign, b, c, last],
        ),
        ("a byte missing", vec![a, b, c, &last[..last.len() - 1]]),
        ("an extra byte", vec![a, b, c, last, b"\0"]),
        ("an extra empty chunk", vec![a, b, c, last, &[0; TAG]]),
        ("a truncated tag", vec![a, b, c, &last[..TAG - 1]]),
    ] {
        let changed = [header, &chunks.concat()].concat();
        assert_eq!(open(&changed), Err(Error::Decrypt), "{what}");
    }
    for cut in (0..STREAM_HEADER + TAG).chain([STREAM_HEADER + SEALED_CHUNK]) {
        assert_eq!(open(&sealed[..cut]), Err(Error::Decrypt), "cut at {cut}");
    }
    assert_eq!(open(&[&sealed[..], &sealed].concat()), Err(Error::Decrypt));
}

/// A key holder could write a stream in two forms; only one is accepted.
#[test]
fn an_empty_last_chunk_after_others_does_not_open() {
    let header = StreamHeader(seal(b"", b"")[..STREAM_HEADER].try_into().unwrap());
    let mut chunks = Chunks::seal(&key().stream_key(&header).unwrap()).unwrap();
    let mut first = vec![0; SEALED_CHUNK];
    let mut last = vec![0; TAG];
    chunks
        .seal_chunk(&chunk_nonce(0, false), b"", &[1; STREAM_CHUNK], &mut first)
        .unwrap();
    chunks
        .seal_chunk(&chunk_nonce(1, true), b"", b"", &mut last)
        .unwrap();
    let sealed = [&header.0[..], &first, &last].concat();
    assert_eq!(through(opener(b""), &sealed, 1 << 20), Err(Error::Decrypt));
}

#[test]
fn a_failure_leaves_nothing_readable_and_is_permanent() {
    let mut sealed = seal(&data(3 * STREAM_CHUNK), b"place");
    let at = STREAM_HEADER + 2 * SEALED_CHUNK - 1;
    sealed[at] ^= 1;
    let mut stream = opener(b"place");
    let mut out = vec![0xaa; stream.push_size(sealed.len())];
    assert_eq!(stream.push(&sealed, &mut out), Err(Error::Decrypt));
    assert!(out.iter().all(|byte| *byte == 0));
    assert_eq!(stream.push(b"", &mut []), Err(Error::Decrypt));
    assert_eq!(stream.finish(&mut []), Err(Error::Decrypt));
    assert!(!stream.is_finished());
}

#[test]
fn too_small_a_buffer_and_a_finished_stream_are_errors_that_change_nothing() {
    let mut stream = Stream::seal(&key(), b"").unwrap();
    let too_small = stream.push(b"abc", &mut [0; STREAM_HEADER - 1]);
    assert!(matches!(too_small, Err(Error::InvalidInput(_))));
    let mut sealed = vec![0; stream.push_size(3)];
    stream.push(b"abc", &mut sealed).unwrap();
    let too_small = stream.finish(&mut [0; TAG + 2]);
    assert!(matches!(too_small, Err(Error::InvalidInput(_))));
    let mut last = vec![0; stream.finish_size()];
    stream.finish(&mut last).unwrap();
    assert!(stream.is_finished());
    assert!(matches!(
        stream.push(b"", &mut [0; 99]),
        Err(Error::InvalidInput(_))
    ));
    assert!(matches!(
        stream.finish(&mut [0; 99]),
        Err(Error::InvalidInput(_))
    ));
    sealed.extend_from_slice(&last);
    assert_eq!(through(opener(b""), &sealed, 9).unwrap(), b"abc");
}

#[test]
fn a_stream_ends_before_its_chunk_numbers_run_out() {
    let mut stream = Stream::seal(&key(), b"").unwrap();
    stream.chunks = MAX_CHUNKS;
    let mut out = vec![0; stream.finish_size()];
    assert!(matches!(
        stream.finish(&mut out),
        Err(Error::InvalidInput(_))
    ));
    assert!(Stream::seal(&key(), &[0; MAX_STREAM_CONTEXT]).is_ok());
    assert!(Stream::seal(&key(), &[0; MAX_STREAM_CONTEXT + 1]).is_err());
    assert_eq!(stream.push_size(usize::MAX), 0, "it has failed");
    let mut fresh = Stream::seal(&key(), b"").unwrap();
    let mut header = [0; STREAM_HEADER];
    fresh.push(b"", &mut header).unwrap();
    assert!(fresh.push_size(usize::MAX) > usize::MAX / 2);
}

#[test]
fn no_two_streams_have_the_same_nonce() {
    let nonces: std::collections::HashSet<Vec<u8>> = (0..100)
        .map(|_| seal(b"same", b"")[1 + KEY_ID..STREAM_HEADER].to_vec())
        .collect();
    assert_eq!(nonces.len(), 100);
}

#[test]
fn the_vectors_give_the_expected_results() {
    let file = vectors("streams.json");
    for vector in file["vectors"].as_array().unwrap() {
        let name = vector["name"].as_str().unwrap();
        let mut config = Config::new();
        let aes_key = vector["aes_key_hex"].as_str().unwrap();
        config.set("keys", "ephemeral").unwrap();
        config.set("aes_key", format!("hex:{aes_key}")).unwrap();
        let gate = Gate::new(&config.settings().unwrap().gate).unwrap();
        let context = unhex(&vector["context_hex"]);
        let stream = match vector["parts"].as_array() {
            None => base64(&vector["stream_base64"]),
            Some(parts) => {
                let part = |name: &Value| base64(&file["parts_base64"][name.as_str().unwrap()]);
                parts.iter().flat_map(part).collect()
            }
        };
        let opened = through(gate.open_stream(&context).unwrap(), &stream, 70_000);
        if vector["expect"] == "ok" {
            let size = vector["plaintext_size"].as_u64().unwrap();
            let plaintext: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
            assert_eq!(opened.unwrap(), plaintext, "{name}");
            // The same nonce gives the same bytes.
            let key = DataKey::from_aes_key(&unhex(&vector["aes_key_hex"])).unwrap();
            let header = stream[..STREAM_HEADER].try_into().unwrap();
            let sealer = Stream::seal_with(&key, &context, header).unwrap();
            assert_eq!(
                through(sealer, &plaintext, 1 << 20).unwrap(),
                stream,
                "{name}"
            );
        } else {
            assert_eq!(opened, Err(Error::Decrypt), "{name}");
        }
    }
}

fn base64(text: &Value) -> Vec<u8> {
    crate::base::encoding::decode_base64(text.as_str().unwrap()).unwrap()
}
