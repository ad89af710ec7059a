//! What only tests use of the demo org: answers that go wrong or are held back, and a record of what
//! arrived.

pub(super) mod fault;
pub(super) mod hold;
pub(super) mod seen;
pub(super) mod wire;
