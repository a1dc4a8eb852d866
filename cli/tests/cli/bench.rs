//! A scratch directory with a compiler, and the command under test.
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a command did.
#[derive(Debug)]
pub struct Done {
    pub status: i32,
    pub out: String,
    pub err: String,
}

/// Runs `gleaner`, with an environment that says nothing to it.
pub fn gleaner(args: &[&str], input: &[u8]) -> Done {
    finish(&mut command(args), input)
}

pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gleaner"));
    command.args(args).env_remove("GLEANER").env_remove("LD_PRELOAD").env_remove("GLEANER_LIB");
    command
}

pub fn finish(command: &mut Command, input: &[u8]) -> Done {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    // A command that ends without reading is fine.
    let _ = child.stdin.take().unwrap().write_all(input);
    let done = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Done { status: done.status.code().unwrap_or(-1), out: text(done.stdout), err: text(done.stderr) }
}

/// A directory of its own, removed at the end.
pub struct Bench(PathBuf);

impl Bench {
    pub fn new(name: &str) -> Bench {
        let dir = std::env::temp_dir().join(format!("gleaner-cli-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Bench(dir)
    }
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
    /// Writes a file that may be executed.
    pub fn file(&self, name: &str, content: &[u8], mode: u32) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }
    /// Runs a tool here; its output.
    pub fn run(&self, tool: &str, args: &[&str]) -> String {
        let done = Command::new(tool).args(args).current_dir(&self.0).output().unwrap();
        assert!(done.status.success(), "{tool} {args:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    }
    /// Compiles `text`, called `name`; the program's path.
    pub fn compile(&self, compiler: &str, name: &str, text: &str, flags: &[&str]) -> PathBuf {
        let (source, program) = (self.path(name), self.path("program"));
        std::fs::write(&source, text).unwrap();
        let ends = [source.to_str().unwrap(), "-o", program.to_str().unwrap()];
        self.run(compiler, &[flags, &ends].concat());
        program
    }
    /// The address after the first call of `callee` in `function`: what a stack would hold.
    pub fn call_in(&self, program: &Path, function: &str, callee: &str) -> u64 {
        let code = self.run("objdump", &["-d", "--no-show-raw-insn", program.to_str().unwrap()]);
        let body = code.split(&format!("<{function}>:\n")).nth(1).expect("the function");
        let mut lines = body.lines().take_while(|line| !line.is_empty());
        lines.find(|line| line.contains("call") && line.contains(&format!("<{callee}"))).expect("the call");
        let next = lines.next().unwrap().split(':').next().unwrap().trim();
        u64::from_str_radix(next, 16).unwrap()
    }
    /// A record of one direct leak of 24 bytes with the stack `pcs`.
    pub fn record(&self, program: &Path, bias: u64, pcs: &[u64], build_id: &str) -> String {
        let stack: String = pcs.iter().map(|pc| format!(" {pc:x}")).collect();
        let (path, end) = (program.display(), bias + 0x50_0000);
        format!(
            "gleaner-record 1\npid 42\nexe {path}\nmode leak\nmodule {bias:x} {end:x} {bias:x} {build_id} {path}\n\
             stack 1{stack}\nleak direct 24 1 1\nend 24 1\n"
        )
    }
}
impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
