//! The tests: one binary, one module per subject.

mod demo;
