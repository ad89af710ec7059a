//! Reads the arguments, carries out the command, and chooses the exit code.

use std::process::ExitCode;

use orgproxy::{Args, execute};

fn main() -> ExitCode {
    match execute(Args::read().into_command()) {
        Ok(code) => code,
        Err(error) => {
            error.print();
            error.exit_code()
        }
    }
}
