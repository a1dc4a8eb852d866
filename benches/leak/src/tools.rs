//! The leak detectors, each as its own manual says.
use crate::Setup;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tool {
    Native,
    Gleaner,
    Valgrind,
    /// As it is: stacks by frame pointers.
    Lsan,
    /// With its slow unwinder, which finds whole stacks in Debian's programs.
    LsanFull,
    Heaptrack,
}

/// What a run is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// What it costs: nothing is named, so that the costs of a symboliser of another process do not count.
    Cost,
    /// What it finds: the report lies in the folder afterwards.
    Report,
}

impl Tool {
    pub const PEERS: [Tool; 4] = [Tool::Valgrind, Tool::Lsan, Tool::LsanFull, Tool::Heaptrack];

    pub fn name(self) -> &'static str {
        match self {
            Tool::Native => "native",
            Tool::Gleaner => "gleaner",
            Tool::Valgrind => "valgrind",
            Tool::Lsan => "liblsan",
            Tool::LsanFull => "liblsan, full stacks",
            Tool::Heaptrack => "heaptrack",
        }
    }
    /// Runs so slowly that one round must do.
    pub fn is_slow(self) -> bool {
        matches!(self, Tool::Valgrind | Tool::LsanFull)
    }

    /// `words` under this tool; what it writes goes to `folder`. The status stays the program's, which those that started it ask for.
    pub fn command(self, setup: &Setup, words: &[String], aim: Aim, folder: &Path) -> Command {
        let log = folder.join("log");
        let mut command = Command::new(&words[0]);
        match self {
            Tool::Native => {}
            Tool::Gleaner => {
                let how = if aim == Aim::Cost { ":symbolizer=record" } else { "" };
                let options = format!("mode=leak:on_signal=TERM:exitcode=0{how}:log={}.%p", log.display());
                command.env("GLEANER", options).env("LD_PRELOAD", &setup.library);
            }
            Tool::Valgrind => {
                command = Command::new("valgrind");
                command.args(["--leak-check=full", "--show-leak-kinds=definite,indirect,possible"]);
                command.args(["--num-callers=64", "--child-silent-after-fork=no"]);
                command.arg(format!("--log-file={}.%p", log.display())).arg("--").arg(&words[0]);
            }
            Tool::Lsan | Tool::LsanFull => {
                let fast = u8::from(self == Tool::Lsan);
                let names = u8::from(aim == Aim::Report);
                let options = format!(
                    "fast_unwind_on_malloc={fast}:symbolize={names}:exitcode=0:log_path={}",
                    log.display()
                );
                command.env("LSAN_OPTIONS", options).env("LD_PRELOAD", &setup.lsan);
            }
            Tool::Heaptrack if aim == Aim::Cost => {
                // The part in the program alone: what its script runs beside it is not counted.
                command.env("DUMP_HEAPTRACK_OUTPUT", folder.join("raw")).env("LD_PRELOAD", &setup.heaptrack);
            }
            Tool::Heaptrack => {
                command = Command::new("heaptrack");
                command.arg("-o").arg(folder.join("heap")).arg(&words[0]);
            }
        }
        command.args(&words[1..]).env("LC_ALL", "C.UTF-8");
        command
    }

    /// All that it wrote, as text.
    pub fn report(self, folder: &Path) -> String {
        let files: Vec<PathBuf> =
            fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        let mut text = String::new();
        for file in files {
            if self == Tool::Heaptrack {
                let arguments = ["-l1", "-p0", "-a0", "-T0", "--disable-builtin-suppressions", "-f"];
                let printed = Command::new("heaptrack_print").args(arguments).arg(&file).output();
                text.push_str(
                    &printed.map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).unwrap_or_default(),
                );
            } else {
                text.push_str(&String::from_utf8_lossy(&fs::read(&file).unwrap_or_default()));
            }
        }
        text
    }
}

/// What one tool says of one place.
#[derive(Debug)]
pub struct Block {
    /// Lost for sure, or only perhaps.
    pub definite: bool,
    /// 0 where the tool rounds them.
    pub bytes: u64,
    pub text: String,
}

/// The blocks of a report that tell of lost memory.
pub fn blocks(tool: Tool, report: &str) -> Vec<Block> {
    let mut all: Vec<Block> = Vec::new();
    let mut open = false;
    for line in report.lines() {
        let bare = match tool {
            Tool::Valgrind => line.splitn(3, "==").nth(2).unwrap_or(line).trim(),
            _ => line.trim(),
        };
        let head = match tool {
            Tool::Valgrind => bare.contains("lost in loss record"),
            Tool::Heaptrack => bare.contains(" leaked over ") || bare.contains("leaked in"),
            _ => bare.contains(" leak of ") || bare.starts_with("Leaked mapping of "),
        };
        if head {
            let number = match tool {
                Tool::Valgrind => bare.split(' ').next(),
                Tool::Heaptrack => None,
                _ => bare.split(" of ").nth(1).and_then(|rest| rest.split(' ').next()),
            };
            let bytes = number.and_then(|word| word.replace(',', "").parse().ok()).unwrap_or(0);
            let definite = !bare.contains("possibly lost") && !bare.starts_with("Possible leak of ");
            all.push(Block { definite, bytes, text: String::new() });
            open = true;
        } else if bare.is_empty() && tool != Tool::Heaptrack || bare.starts_with("SUMMARY") {
            open = false;
        }
        if let Some(block) = all.last_mut().filter(|_| open) {
            block.text.push_str(bare);
            block.text.push('\n');
        }
    }
    all
}
