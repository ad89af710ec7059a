//! SHA-256 of what is too large to compare.

use aws_lc_rs::digest::{Context, SHA256};

/// A digest that is not finished.
pub(crate) struct Digest(Context);

impl Digest {
    pub(crate) fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns it in hexadecimal.
    pub(crate) fn finish(self) -> String {
        let digest = self.0.finish();
        let bytes = digest.as_ref().iter();
        bytes.map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Returns the digest of all `pieces`, one after the other, in hexadecimal.
pub(crate) fn sha256<P: AsRef<[u8]>>(pieces: impl IntoIterator<Item = P>) -> String {
    let mut digest = Digest::new();
    for piece in pieces {
        digest.update(piece.as_ref());
    }
    digest.finish()
}
