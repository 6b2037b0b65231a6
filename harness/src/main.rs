//! The binary `causeway`: what it does is in the library's `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    causeway_harness::cli::main()
}
