//! Our call stacks against those of glibc's `backtrace()` (libgcc's unwinder), frame by frame:
//! optimised Rust, C without frame pointers, libc's callbacks, aligned stacks, variable frames,
//! signal handlers on both kinds of stack, interrupted PLT stubs, threads, deep recursion,
//! unloaded plug-ins. Then contexts made of garbage, which must yield anything but a fault.
#![allow(clippy::undocumented_unsafe_blocks)] // Calls into C and made-up stacks, all of them.
use gleaner_core::leak::unwind::{self, EXACT, Start};
use std::ffi::{CStr, CString, c_int, c_void};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

unsafe extern "C" {
    fn backtrace(out: *mut *mut c_void, size: c_int) -> c_int;
}

/// Tests that install signal handlers, or count unloads, run one at a time.
static ALONE: Mutex<()> = Mutex::new(());
static REPORT: Mutex<Vec<(Vec<usize>, Vec<usize>)>> = Mutex::new(Vec::new());

/// Both unwinders, called from here. The callers' frames must be the same.
#[inline(never)]
fn both() -> (Vec<usize>, Vec<usize>) {
    let mut ours = [0usize; 256];
    let mut theirs = [0usize; 256];
    let n = unwind::capture(std::hint::black_box(&mut ours));
    let m = unsafe { backtrace(theirs.as_mut_ptr().cast(), 256) } as usize;
    // ours: capture, both, callers..; theirs: both, callers..
    (ours[2..n].iter().map(|pc| pc & !EXACT).collect(), theirs[1..m].to_vec())
}

#[inline(never)]
fn same() -> usize {
    let (ours, theirs) = both();
    assert!(theirs.len() >= 4, "{theirs:x?}");
    assert_eq!(ours, theirs, "\nours   {}\ntheirs {}", names(&ours), names(&theirs));
    ours.len()
}

/// The same from C, where a panic may not pass: the result is kept for later.
extern "C" fn from_c() {
    let pair = both();
    REPORT.lock().unwrap().push(pair);
}

fn names(pcs: &[usize]) -> String {
    let name = |&pc: &usize| unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr(pc as *const c_void, &mut info) == 0 || info.dli_sname.is_null() {
            return format!("{pc:x}");
        }
        CStr::from_ptr(info.dli_sname).to_string_lossy().into_owned()
    };
    pcs.iter().map(name).collect::<Vec<_>>().join(" ")
}

fn reported(at_least: usize) {
    let reports = std::mem::take(&mut *REPORT.lock().unwrap());
    assert!(!reports.is_empty());
    for (ours, theirs) in reports {
        assert_eq!(ours, theirs, "\nours   {}\ntheirs {}", names(&ours), names(&theirs));
        assert!(ours.len() >= at_least, "{}", names(&ours));
    }
}

/// A plug-in in C, compiled without frame pointers, loaded.
struct Plugin(*mut c_void);

impl Plugin {
    fn build(name: &str, source: &str) -> PathBuf {
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let (c, so) = (dir.join(format!("{name}.c")), dir.join(format!("{name}.so")));
        std::fs::write(&c, source).unwrap();
        let flags = ["-O2", "-fomit-frame-pointer", "-fno-optimize-sibling-calls", "-shared", "-fPIC", "-o"];
        let status = Command::new("cc").args(flags).arg(&so).arg(&c).status().unwrap();
        assert!(status.success());
        so
    }
    fn load(path: &std::path::Path) -> Plugin {
        let path = CString::new(path.to_str().unwrap()).unwrap();
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
        assert!(!handle.is_null());
        Plugin(handle)
    }
    fn lazily(path: &std::path::Path) -> Plugin {
        let path = CString::new(path.to_str().unwrap()).unwrap();
        Plugin(unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_LAZY) })
    }
    fn function(&self, name: &CStr) -> *mut c_void {
        let at = unsafe { libc::dlsym(self.0, name.as_ptr()) };
        assert!(!at.is_null(), "{name:?}");
        at
    }
    /// Calls `name(callback, n)`.
    fn call(&self, name: &CStr, n: c_int) {
        let f: extern "C" fn(extern "C" fn(), c_int) = unsafe { std::mem::transmute(self.function(name)) };
        f(from_c, n);
    }
}
impl Drop for Plugin {
    fn drop(&mut self) {
        unsafe { libc::dlclose(self.0) };
        unwind::modules_changed();
    }
}

const FRAMES: &str = r#"
#include <alloca.h>
#include <stdlib.h>
#include <string.h>
typedef void (*callback)(void);
volatile int sink;
__attribute__((noinline)) int plain(callback f, int n) {
    int a[64]; memset(a, n, sizeof a);
    if (n > 0) plain(f, n - 1); else f();
    return sink = a[n & 63];
}
__attribute__((noinline)) int aligned(callback f, int n) {
    __attribute__((aligned(64))) char a[256]; memset(a, n, sizeof a);
    if (n > 0) aligned(f, n - 1); else f();
    return sink = a[n & 63];
}
__attribute__((noinline)) int variable(callback f, int n) {
    char *a = alloca(16 + n * 8); memset(a, n, 16);
    if (n > 0) variable(f, n - 1); else f();
    return sink = a[n & 15];
}
__attribute__((noinline)) int both_kinds(callback f, int n) {
    __attribute__((aligned(64))) char b[128]; memset(b, n, sizeof b);
    char *a = alloca(16 + n * 8); memset(a, n, 16);
    if (n > 0) both_kinds(f, n - 1); else f();
    return sink = a[n & 15] + b[n & 63];
}
/* More arguments than registers: pushes move rsp within the function. */
__attribute__((noinline)) int many(int a, int b, int c, int d, int e, int g, int h, int i, callback f, int n) {
    if (n > 0) many(i, h, g, e, d, c, b, a, f, n - 1); else f();
    return sink = a + b + c + d + e + g + h + i;
}
__attribute__((noinline)) void arguments(callback f, int n) { many(1, 2, 3, 4, 5, 6, 7, 8, f, n); sink++; }
static callback current;
static int compare(const void *a, const void *b) { if (current) { callback f = current; current = 0; f(); }
    return *(const int *)a - *(const int *)b; }
__attribute__((noinline)) void sorts(callback f, int n) {
    int a[100]; for (int i = 0; i < 100; i++) a[i] = (i * 7919) % 101;
    current = f; qsort(a, 100, sizeof *a, compare); sink = a[n];
    current = f; sink = bsearch(&a[n], a, 100, sizeof *a, compare) != 0;
}
"#;

/// A CFA on rbx, and one made by an expression, as hand-written assembly has them; a function
/// without any table that keeps a frame pointer.
const ASSEMBLY: &str = r#"
__asm__(".text\n.globl on_rbx\n.type on_rbx,@function\non_rbx:\n.cfi_startproc\n"
  "push %rbx\n.cfi_adjust_cfa_offset 8\n.cfi_offset rbx,-16\nmov %rsp,%rbx\n.cfi_def_cfa_register rbx\n"
  "and $-64,%rsp\nsub $192,%rsp\ncall *%rdi\nmov %rbx,%rsp\n.cfi_def_cfa_register rsp\npop %rbx\n"
  ".cfi_adjust_cfa_offset -8\n.cfi_restore rbx\nret\n.cfi_endproc\n.size on_rbx,.-on_rbx\n");
__asm__(".globl by_expression\n.type by_expression,@function\nby_expression:\n.cfi_startproc\n"
  "mov %rsp,%rax\nsub $200,%rsp\nand $-64,%rsp\nmov %rax,56(%rsp)\n"
  /* cfa = *(rsp + 56) + 8 */
  ".cfi_escape 0x0f,0x05,0x77,0x38,0x06,0x23,0x08\n"
  "call *%rdi\nmov 56(%rsp),%rsp\n.cfi_def_cfa %rsp,8\nret\n.cfi_endproc\n.size by_expression,.-by_expression\n");
__asm__(".globl in_r12\n.type in_r12,@function\nin_r12:\n.cfi_startproc\n"
  "push %r12\n.cfi_adjust_cfa_offset 8\n.cfi_offset r12,-16\nlea 16(%rsp),%r12\n.cfi_def_cfa r12,0\n"
  "sub $120,%rsp\nand $-32,%rsp\ncall on_rbx@PLT\nlea -16(%r12),%rsp\n.cfi_def_cfa %rsp,16\npop %r12\n"
  ".cfi_adjust_cfa_offset -8\nret\n.cfi_endproc\n.size in_r12,.-in_r12\n");
__asm__(".globl no_table\n.type no_table,@function\nno_table:\npush %rbp\nmov %rsp,%rbp\nsub $64,%rsp\n"
  "call *%rdi\nleave\nret\n.size no_table,.-no_table\n");
typedef void (*callback)(void);
extern void on_rbx(callback), by_expression(callback), in_r12(callback), no_table(callback);
volatile int sink;
void rbx(callback f, int n) { on_rbx(f); sink += n; }
void expression(callback f, int n) { by_expression(f); sink += n; }
void r12(callback f, int n) { in_r12(f); sink += n; }
void table_less(callback f, int n) { no_table(f); sink += n; }
"#;

#[test]
fn optimised_rust() {
    #[inline(never)]
    fn recurse(n: usize, text: &mut String) -> usize {
        text.push('x');
        let below = if n == 0 { same() } else { recurse(n - 1, text) };
        text.pop();
        below
    }
    for depth in [0, 1, 20, 100] {
        assert!(recurse(depth, &mut String::new()) > depth);
    }
    let mut items = [3, 1, 2];
    items.sort_by(|a, b| {
        same();
        a.cmp(b)
    });
}

#[test]
fn c_without_frame_pointers() {
    let _alone = ALONE.lock().unwrap();
    let plugin = Plugin::load(&Plugin::build("frames", FRAMES));
    for name in [c"plain", c"aligned", c"variable", c"both_kinds", c"arguments"] {
        for depth in [0, 1, 7, 40] {
            // Cold, then warm.
            plugin.call(name, depth);
            plugin.call(name, depth);
            reported(depth as usize + 6);
        }
    }
    plugin.call(c"sorts", 3);
    reported(8);
}

#[test]
fn assembly() {
    let _alone = ALONE.lock().unwrap();
    let plugin = Plugin::load(&Plugin::build("assembly", ASSEMBLY));
    for name in [c"rbx", c"expression", c"r12"] {
        plugin.call(name, 1);
        reported(6);
    }
    // Without a table libgcc gives up; the frame pointer carries us through.
    plugin.call(c"table_less", 1);
    let (ours, theirs) = REPORT.lock().unwrap().pop().unwrap();
    assert!(ours.len() > theirs.len() + 4, "{} | {}", names(&ours), names(&theirs));
    assert!(names(&ours).contains("no_table table_less"), "{}", names(&ours));
}

#[test]
fn threads() {
    let run = || (0..200).for_each(|_| assert!(same() > 4));
    let handles: Vec<_> = (0..4).map(|_| std::thread::spawn(run)).collect();
    handles.into_iter().for_each(|t| t.join().unwrap());
}

#[test]
fn deep_recursion_fills_the_buffer_and_stops() {
    #[inline(never)]
    fn recurse(n: usize, out: &mut [usize]) -> usize {
        if n == 0 { unwind::capture(out) } else { std::hint::black_box(recurse(n - 1, out)) }
    }
    let run = || {
        let mut out = [0; 64];
        assert_eq!(recurse(50_000, &mut out), 64);
        assert_eq!(unwind::capture(&mut []), 0);
        assert_eq!(unwind::capture(&mut out[..1]), 1);
    };
    std::thread::Builder::new().stack_size(64 << 20).spawn(run).unwrap().join().unwrap();
}

extern "C" fn on_signal(_: c_int) {
    let pair = both();
    REPORT.lock().unwrap().push(pair);
}

fn handle(signal: c_int, flags: c_int, handler: usize) {
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        assert_eq!(libc::sigaction(signal, &action, std::ptr::null_mut()), 0);
    }
}

#[test]
fn through_signal_frames() {
    let _alone = ALONE.lock().unwrap();
    for flags in [0, libc::SA_ONSTACK] {
        let mut stack = vec![0u8; 256 << 10];
        let new = libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: stack.len() };
        let mut old = new;
        unsafe { libc::sigaltstack(&new, &mut old) };
        handle(libc::SIGUSR1, flags, on_signal as extern "C" fn(c_int) as usize);
        unsafe { libc::raise(libc::SIGUSR1) };
        unsafe { libc::sigaltstack(&old, std::ptr::null_mut()) };
        reported(10);
    }
}

static STEPS: Mutex<(usize, usize)> = Mutex::new((0, 0));

/// At every instruction of a call: the interrupted context by `capture_from` against libgcc's view.
extern "C" fn on_step(_: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    let context = unsafe { &*context.cast::<libc::ucontext_t>() };
    let reg = |r: c_int| context.uc_mcontext.gregs[r as usize] as usize;
    let start = Start {
        rip: reg(libc::REG_RIP),
        rsp: reg(libc::REG_RSP),
        rbp: reg(libc::REG_RBP),
        rbx: reg(libc::REG_RBX),
        r12: reg(libc::REG_R12),
        r13: reg(libc::REG_R13),
        r14: reg(libc::REG_R14),
        r15: reg(libc::REG_R15),
    };
    let mut ours = [0usize; 128];
    let n = unwind::capture_from(&start, &mut ours);
    let mut theirs = [0usize; 128];
    let m = unsafe { backtrace(theirs.as_mut_ptr().cast(), 128) } as usize;
    let from = theirs[..m].iter().position(|&pc| pc == start.rip);
    let mut steps = STEPS.lock().unwrap();
    steps.0 += 1;
    let ours: Vec<usize> = ours[..n].iter().map(|pc| pc & !EXACT).collect();
    if from.is_none_or(|from| theirs[from..m] != ours[..]) {
        steps.1 += 1;
        let from = from.unwrap_or(0);
        eprintln!("step {:x}\nours   {}\ntheirs {}", start.rip, names(&ours), names(&theirs[from..m]));
    }
}

/// PLT stubs (lazy binding too), prologues and epilogues: single-stepped.
#[test]
fn every_instruction() {
    let _alone = ALONE.lock().unwrap();
    let source = "#include <stdlib.h>\n#include <string.h>\nvolatile int sink;
        __attribute__((noinline)) int leaf(int n) { return n * 3; }
        int work(int n) { int a[8]; memset(a, n, sizeof a); sink = leaf(a[n & 7]); sink += abs(-n);
            sink += atoi(\"42\"); sink += strlen(\"abc\") + strtol(\"12\", 0, 10); return sink; }";
    let path = Plugin::build("steps", source);
    let plugin = Plugin::lazily(&path);
    let work: extern "C" fn(c_int) -> c_int = unsafe { std::mem::transmute(plugin.function(c"work")) };
    let handler = on_step as extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) as usize;
    handle(libc::SIGTRAP, libc::SA_SIGINFO, handler);
    unsafe {
        std::arch::asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq", "mov edi, 5", "call {f}",
            "pushfq", "and qword ptr [rsp], -257", "popfq",
            f = in(reg) work, clobber_abi("C"));
    }
    let (steps, wrong) = *STEPS.lock().unwrap();
    assert!(steps > 200, "{steps}");
    assert_eq!(wrong, 0, "of {steps}");
}

/// A plug-in in the place of another one: what was remembered of the first must not be used.
#[test]
fn unloaded_code() {
    let _alone = ALONE.lock().unwrap();
    let source = |size: usize| {
        format!("typedef void (*cb)(void); volatile int sink;
            __attribute__((noinline)) void run(cb f, int n) {{ volatile char a[{size}]; a[n] = 1; f(); sink = a[n]; }}")
    };
    let paths = [64, 256, 4096].map(|size| Plugin::build(&format!("unload{size}"), &source(size)));
    for round in 0..6 {
        let plugin = Plugin::load(&paths[round % 3]);
        plugin.call(c"run", 1);
        reported(6);
    }
}

#[test]
fn generated_code_ends_the_stack() {
    let page = unsafe {
        let rwx = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
        libc::mmap(std::ptr::null_mut(), 4096, rwx, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
    };
    // sub $8,%rsp; call *%rdi; add $8,%rsp; ret
    let code = [0x48u8, 0x83, 0xec, 8, 0xff, 0xd7, 0x48, 0x83, 0xc4, 8, 0xc3];
    unsafe { page.cast::<[u8; 11]>().write(code) };
    static SEEN: Mutex<Vec<usize>> = Mutex::new(Vec::new());
    extern "C" fn inside() {
        let mut out = [0; 64];
        let n = unwind::capture(&mut out);
        *SEEN.lock().unwrap() = out[..n].to_vec();
    }
    let jit: extern "C" fn(extern "C" fn()) = unsafe { std::mem::transmute(page) };
    jit(inside);
    assert_eq!(SEEN.lock().unwrap().last(), Some(&(page as usize + 6)));
}

/// Garbage registers over a garbage stack, and over the real one: anything but a fault.
#[test]
fn garbage() {
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed as usize
    };
    let code = [
        unwind::capture as fn(&mut [usize]) -> usize as usize,
        libc::malloc as *const () as usize,
        libc::qsort as *const () as usize,
        libc::pthread_create as *const () as usize,
        libc::sigaction as *const () as usize,
    ];
    // Between two pages that fault.
    let map = unsafe {
        let all =
            libc::mmap(std::ptr::null_mut(), 6 << 12, 0, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0);
        libc::mprotect(all.add(4096), 4 << 12, libc::PROT_READ | libc::PROT_WRITE);
        all as usize + 4096
    };
    let words = unsafe { std::slice::from_raw_parts_mut(map as *mut usize, 2048) };
    let mut out = [0; 64];
    let mut deep = 0;
    for round in 0..20_000 {
        let mut any = || match random() % 6 {
            0 => random(),
            1 => random() & 0x7fff_ffff_ffff,
            2 | 3 => code[random() % code.len()] + random() % 4096,
            _ => map + random() % (5 << 12),
        };
        if round % 50 == 0 {
            words.iter_mut().for_each(|w| *w = any());
        }
        let mut start = Start {
            rip: any(),
            rsp: any(),
            rbp: any(),
            rbx: any(),
            r12: any(),
            r13: any(),
            r14: any(),
            r15: any(),
        };
        unwind::capture_from(&start, &mut out);
        start.rsp = map + random() % (4 << 12);
        start.rip = code[random() % code.len()] + random() % 4096;
        let n = unsafe { unwind::capture_within(&start, map, map + (4 << 12), &mut out) };
        deep = deep.max(n);
    }
    assert!(deep > 3, "{deep}");
}
