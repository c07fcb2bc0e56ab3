//! The program: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    hopline::app::run(std::env::args_os())
}
