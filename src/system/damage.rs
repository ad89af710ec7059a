//! Bytes off a wire with something wrong, for tests that compare two readers.

/// Changes a few bytes.
pub(crate) fn damage(wire: &mut Vec<u8>, random: &mut fastrand::Rng) {
    const ODD: &[u8] = b"\r\n\0 \t:;,#\"05fF+-x\x7f\x80\xff";
    let at = random.usize(..wire.len());
    match random.usize(..5) {
        0 => wire[at] = ODD[random.usize(..ODD.len())],
        1 => wire.insert(at, ODD[random.usize(..ODD.len())]),
        2 => drop(wire.remove(at)),
        3 => wire[at] ^= 1 << random.usize(..8),
        _ => {
            let end = (at + 1 + random.usize(..20)).min(wire.len());
            let piece = wire[at..end].to_vec();
            wire.splice(at..at, piece);
        }
    }
}
