//! The parts of the demo org for tests only: responses that go wrong or are held, and a record of
//! what arrived.

pub(super) mod fault;
pub(super) mod hold;
pub(super) mod long;
pub(super) mod seen;
pub(super) mod wire;
