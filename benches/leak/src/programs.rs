//! Unmodified programs of Debian's: which of them run under a tool, and what leaks are told of them.
use crate::tools::{Aim, Block, Tool, blocks};
use crate::{Setup, fresh};
use gleaner_benches::run::{Ran, run};
use std::process::{Command, Stdio};
use std::time::Duration;

/// One line of programs.txt: a name, the Debian package, what a shell runs.
pub struct Program {
    pub name: String,
    pub package: String,
    pub line: String,
}

const LIMIT: Duration = Duration::from_secs(60);

pub fn list() -> Vec<Program> {
    let lines = include_str!("../programs.txt").lines().filter(|line| !line.starts_with('#'));
    let program = |line: &str| {
        let mut words = line.splitn(3, char::is_whitespace);
        let (name, package) = (words.next()?.to_owned(), words.next()?.to_owned());
        Some(Program { name, package, line: words.next()?.trim().to_owned() })
    };
    lines.filter_map(program).collect()
}

impl Program {
    /// Not installed: left out, and told.
    pub fn is_there(&self) -> bool {
        Command::new("dpkg-query")
            .args(["-W", "-f", "${Status}", &self.package])
            .output()
            .is_ok_and(|out| String::from_utf8_lossy(&out.stdout).contains("ok installed"))
    }
    pub fn version(&self) -> String {
        let out = Command::new("dpkg-query").args(["-W", "-f", "${Version}", &self.package]).output();
        out.map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).unwrap_or_default()
    }
    /// In an empty folder of its own. Only the program itself is under the tool, not the shell: `@` in the line
    /// stands before it.
    pub fn under(&self, setup: &Setup, tool: Tool) -> Result<(Ran, String), String> {
        let folder = fresh(&setup.work.join("report"))?;
        let place = fresh(&setup.work.join("place"))?;
        let command = tool.command(setup, &["@".to_owned()], Aim::Report, &folder);
        let mut prefix = String::from("env");
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                prefix.push_str(&format!(" '{}={}'", name.to_string_lossy(), value.to_string_lossy()));
            }
        }
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        for word in words.filter(|word| *word != "@") {
            prefix.push_str(&format!(" '{}'", word.to_string_lossy()));
        }
        let mut shell = Command::new("bash");
        shell.args(["-c", &self.line.replace('@', &prefix)]).current_dir(&place).stdin(Stdio::null());
        shell.env("INPUTS", &setup.programs).env("LC_ALL", "C.UTF-8").env("HOME", &place);
        let ran = run(&mut shell, LIMIT).map_err(|error| error.to_string())?;
        Ok((ran, tool.report(&folder)))
    }
}

/// Whether a run is what the native one was, but for a status that tells of leaks.
pub fn is_same(native: &Ran, other: &Ran) -> bool {
    !other.timed_out && other.stdout == native.stdout && (other.status == native.status || other.status == 23)
}

/// The leaks that a report tells for sure.
pub fn leaks(tool: Tool, report: &str) -> Vec<Block> {
    blocks(tool, report).into_iter().filter(|block| block.definite).collect()
}
