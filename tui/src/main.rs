//! The binary `mechat-tui`: the command line, and nothing else.

fn main() -> std::process::ExitCode {
    mechat_tui::cli::main()
}
