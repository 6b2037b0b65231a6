//! The binary `causeway`; see [`causeway_harness::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    causeway_harness::cli::main()
}
