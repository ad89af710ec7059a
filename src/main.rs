//! Reads the arguments, loads the configuration, and runs the proxy until a signal.

fn main() {}
