//! The tables behind the rule cache: `.eh_frame`, evaluated by gimli.
//!
//! [`rule`] compiles the row for one code address into a compact [`Rule`] (0.3–1 µs; once per
//! call site). [`step`] unwinds one frame with all registers, for the rows that do not fit one:
//! expressions (PLT stubs, hand-written assembly), a CFA on another register, a return address
//! in an odd place. gimli is built without allocation; its tables of rules live in 2.5 KiB on
//! our stack, small enough for a signal's alternate stack.
use super::find::{self, Object};
use super::rules::{Kind, Rule, Site};
use super::{Bounds, Registers};
use gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameHdr, EndianSlice, LittleEndian, Operation, Register,
    RegisterRule, UnwindContext, UnwindContextStorage, UnwindExpression, UnwindSection, UnwindTableRow,
};

type Bytes = EndianSlice<'static, LittleEndian>;
type Context = UnwindContext<usize, Storage>;
type Row = UnwindTableRow<usize, Storage>;

/// Room for gimli's rows: the kernel's signal frame has 17 rules, compiled code at most 8 and
/// one remembered state. What needs more fails cleanly.
struct Storage;
impl UnwindContextStorage<usize> for Storage {
    type Rules = [(Register, RegisterRule<usize>); 18];
    type Stack = [UnwindTableRow<usize, Self>; 4];
}

/// DWARF's numbers of x86-64 registers.
pub const RBX: usize = 3;
pub const RBP: usize = 6;
pub const RSP: usize = 7;
const RA: usize = 16;
/// rbx, rbp, r12 to r15: a callee gives them back unchanged.
const CALLEE_SAVED: u32 = 1 << RBX | 1 << RBP | 0b1111 << 12;

/// The tables of the object that holds an address.
struct Tables {
    bases: BaseAddresses,
    hdr: EhFrameHdr<Bytes>,
    frames: EhFrame<Bytes>,
}

impl Tables {
    fn of(object: &Object) -> Option<Tables> {
        let hdr_at = object.image.eh_frame_hdr()?;
        let hdr = EhFrameHdr::new(object.image.slice(hdr_at)?, LittleEndian);
        let bases = BaseAddresses::default().set_eh_frame_hdr(hdr_at as u64);
        let frames_at = hdr.parse(&bases, 8).ok()?.eh_frame_ptr().direct().ok()? as usize;
        let frames = EhFrame::new(object.image.slice(frames_at)?, LittleEndian);
        Some(Tables { bases: bases.set_eh_frame(frames_at as u64), hdr, frames })
    }

    /// The row for `at`, and whether it describes a signal frame.
    fn row<'c>(&self, at: usize, context: &'c mut Context) -> Option<(&'c Row, bool)> {
        let parsed = self.hdr.parse(&self.bases, 8).ok()?;
        let cie = EhFrame::cie_from_offset;
        let fde = match parsed.table() {
            Some(table) => table.fde_for_address(&self.frames, &self.bases, at as u64, cie),
            // A linker that made no search table: read the entries one by one.
            None => self.frames.fde_for_address(&self.bases, at as u64, cie),
        };
        let fde = fde.ok()?;
        let row = fde.unwind_info_for_address(&self.frames, &self.bases, context, at as u64).ok()?;
        Some((row, fde.is_signal_trampoline()))
    }
}

/// Where the row for an address is looked up: a return address may be the first byte after its
/// function, so the call before it counts.
fn lookup_address(pc: usize, site: Site) -> usize {
    match site {
        Site::Return => pc.wrapping_sub(1),
        Site::Exact => pc,
    }
}

/// The compact rule for `pc`. `None`: no loaded object holds it (generated code, a wild
/// address), which is not worth remembering.
#[cold]
#[inline(never)]
pub fn rule(pc: usize, site: Site) -> Option<Rule> {
    let at = lookup_address(pc, site);
    let object = find::object(at)?;
    let mut context = Context::new_in();
    let row = Tables::of(&object).and_then(|tables| {
        let (row, signal) = tables.row(at, &mut context)?;
        Some(compact(row, signal, &tables))
    });
    Some(row.unwrap_or_else(|| without_tables(&object, pc)))
}

/// See [`super::saves_nothing`].
#[cold]
#[inline(never)]
pub fn saves_nothing(pc: usize) -> Option<bool> {
    let at = lookup_address(pc, Site::Return);
    let object = find::object(at)?;
    let tables = Tables::of(&object)?;
    let mut context = Context::new_in();
    let (row, _) = tables.row(at, &mut context)?;
    let (base, _) = cfa_of(row, &tables)?;
    let kept = |number: usize| {
        let rule = row.register(Register(number as u16));
        matches!(rule, None | Some(RegisterRule::SameValue)) || number == RBP && base == Kind::Rbp
    };
    Some((0..16).filter(|number| CALLEE_SAVED & 1 << number != 0).all(kept))
}

/// Code without tables: the C library of others, or hand-written assembly.
fn without_tables(object: &Object, pc: usize) -> Rule {
    // mov $15, %rax; syscall: rt_sigreturn, to which the kernel lets every handler return.
    const SIGRETURN: [u8; 9] = [0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05];
    if object.image.slice(pc).is_some_and(|code| code.starts_with(&SIGRETURN)) {
        return Rule::of(Kind::Signal);
    }
    if object.image.executes(pc) { Rule::of(Kind::FramePointer) } else { Rule::of(Kind::End) }
}

fn compact(row: &Row, signal: bool, tables: &Tables) -> Rule {
    if row.register(Register(RA as u16)) == Some(RegisterRule::Undefined) {
        return Rule::of(Kind::End);
    }
    let full = Rule::of(Kind::Full);
    let Some((kind, offset)) = cfa_of(row, tables) else { return full };
    if signal {
        let as_the_kernel_lays_it = kind == Kind::None && offset == super::FRAME_RSP as i64;
        return if as_the_kernel_lays_it { Rule::of(Kind::Signal) } else { full };
    }
    let usual_return = row.register(Register(RA as u16)) == Some(RegisterRule::Offset(-8));
    let rbp_words = match row.register(Register(RBP as u16)) {
        None | Some(RegisterRule::SameValue) => Some(0),
        Some(RegisterRule::Offset(n @ -2040..=-16)) if n % 8 == 0 => Some((-n / 8) as u8),
        _ => None,
    };
    let usual_rsp = row.register(Register(RSP as u16)).is_none_or(|r| r == RegisterRule::ValOffset(0));
    match (kind, i32::try_from(offset), rbp_words) {
        // Functions that realign their stack save rbp at an address given by an expression:
        // the very slot that rbp points at.
        (Kind::AtRbp, Ok(offset), None) if usual_return && usual_rsp && saves_at_rbp(row, tables) => {
            Rule::frame(kind, offset, super::SAVED_AT_RBP)
        }
        (Kind::Rsp | Kind::Rbp | Kind::AtRbp, Ok(offset), Some(words)) if usual_return && usual_rsp => {
            Rule::frame(kind, offset, words)
        }
        _ => full,
    }
}

/// The CFA as base and offset; base `None` stands for "the word at rsp + offset".
fn cfa_of(row: &Row, tables: &Tables) -> Option<(Kind, i64)> {
    match row.cfa() {
        CfaRule::RegisterAndOffset { register: Register(7), offset } => Some((Kind::Rsp, *offset)),
        CfaRule::RegisterAndOffset { register: Register(6), offset } => Some((Kind::Rbp, *offset)),
        CfaRule::RegisterAndOffset { .. } => Some((Kind::Full, 0)),
        CfaRule::Expression(expression) => {
            let (register, offset, rest) = base_and_deref(expression, tables)?;
            match (register, rest) {
                (6, Deref::Yes) => Some((Kind::AtRbp, offset)),
                (7, Deref::Yes) => Some((Kind::None, offset)),
                _ => Some((Kind::Full, 0)),
            }
        }
    }
}

#[derive(PartialEq, Eq)]
enum Deref {
    Yes,
    No,
}

/// The two shapes of expression that compilers write: `breg r, n` and `breg r, n; deref`.
fn base_and_deref(expression: &UnwindExpression<usize>, tables: &Tables) -> Option<(u16, i64, Deref)> {
    let mut operations = expression.get(&tables.frames).ok()?.operations(ENCODING);
    let Operation::RegisterOffset { register, offset, .. } = operations.next().ok()?? else {
        return Some((u16::MAX, 0, Deref::No));
    };
    match (operations.next().ok()?, operations.next().ok()?) {
        (None, _) => Some((register.0, offset, Deref::No)),
        (Some(Operation::Deref { size: 8, .. }), None) => Some((register.0, offset, Deref::Yes)),
        _ => Some((u16::MAX, 0, Deref::No)),
    }
}

fn saves_at_rbp(row: &Row, tables: &Tables) -> bool {
    match row.register(Register(RBP as u16)) {
        Some(RegisterRule::Expression(e)) => base_and_deref(&e, tables) == Some((6, 0, Deref::No)),
        _ => false,
    }
}

const ENCODING: gimli::Encoding =
    gimli::Encoding { address_size: 8, format: gimli::Format::Dwarf32, version: 4 };

/// What a step with all registers found.
pub enum Step {
    /// The caller's registers; `Site::Exact` after a signal frame.
    To(Registers, Site),
    /// No table for this address: perhaps its frame pointer helps.
    NoTables,
    End,
}

/// One frame up, with every register that the tables tell.
#[cold]
#[inline(never)]
pub fn step(from: &Registers, site: Site, bounds: &mut Bounds) -> Step {
    let at = lookup_address(from.rip, site);
    let Some(object) = find::object(at) else { return Step::End };
    let Some(tables) = Tables::of(&object) else { return Step::NoTables };
    let mut context = Context::new_in();
    let Some((row, signal)) = tables.row(at, &mut context) else { return Step::NoTables };
    let machine = Machine { from, tables: &tables, bounds };
    match machine.caller(row) {
        Some(to) => Step::To(to, if signal { Site::Exact } else { Site::Return }),
        None => Step::End,
    }
}

struct Machine<'a> {
    from: &'a Registers,
    tables: &'a Tables,
    bounds: &'a Bounds,
}

impl Machine<'_> {
    fn caller(&self, row: &Row) -> Option<Registers> {
        let cfa = match row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => {
                self.from.get(register.0 as usize)?.wrapping_add(*offset as usize)
            }
            CfaRule::Expression(e) => self.evaluate(e, None)?,
        };
        let mut to = Registers { known: 0, ..*self.from };
        for number in 0..16 {
            let value = match row.register(Register(number as u16)) {
                None if number == RSP => Some(cfa),
                None if CALLEE_SAVED & 1 << number == 0 => None,
                None | Some(RegisterRule::SameValue) => self.from.get(number),
                Some(rule) => self.apply(rule, cfa),
            };
            if let Some(value) = value {
                to.set(number, value);
            }
        }
        to.rip = self.apply(row.register(Register(RA as u16))?, cfa)?;
        Some(to)
    }

    fn apply(&self, rule: RegisterRule<usize>, cfa: usize) -> Option<usize> {
        match rule {
            RegisterRule::Offset(n) => self.bounds.read(cfa.wrapping_add(n as usize)),
            RegisterRule::ValOffset(n) => Some(cfa.wrapping_add(n as usize)),
            RegisterRule::Register(r) => self.from.get(r.0 as usize),
            RegisterRule::Expression(e) => self.bounds.read(self.evaluate(&e, Some(cfa))?),
            RegisterRule::ValExpression(e) => self.evaluate(&e, Some(cfa)),
            _ => None,
        }
    }

    /// The subset of DWARF's stack machine that unwind tables use. Jumps are refused, so every
    /// program ends.
    fn evaluate(&self, expression: &UnwindExpression<usize>, initial: Option<usize>) -> Option<usize> {
        let mut stack = Stack { words: [0; 16], len: 0 };
        if let Some(cfa) = initial {
            stack.push(cfa)?;
        }
        let mut operations = expression.get(&self.tables.frames).ok()?.operations(ENCODING);
        while let Some(operation) = operations.next().ok()? {
            let value = match operation {
                Operation::RegisterOffset { register, offset, .. } => {
                    self.from.get(register.0 as usize)?.wrapping_add(offset as usize)
                }
                Operation::UnsignedConstant { value } => value as usize,
                Operation::SignedConstant { value } => value as usize,
                Operation::PlusConstant { value } => stack.pop()?.wrapping_add(value as usize),
                Operation::Deref { size: 8, .. } => self.bounds.read(stack.pop()?)?,
                Operation::Pick { index } => stack.peek(index as usize)?,
                Operation::Drop => {
                    stack.pop()?;
                    continue;
                }
                Operation::Nop => continue,
                other => {
                    let (right, left) = (stack.pop()?, stack.pop()?);
                    binary(other, left, right)?
                }
            };
            stack.push(value)?;
        }
        stack.pop()
    }
}

fn binary(operation: Operation<Bytes>, left: usize, right: usize) -> Option<usize> {
    let (l, r) = (left as isize, right as isize);
    Some(match operation {
        Operation::Plus => left.wrapping_add(right),
        Operation::Minus => left.wrapping_sub(right),
        Operation::Mul => left.wrapping_mul(right),
        Operation::And => left & right,
        Operation::Or => left | right,
        Operation::Xor => left ^ right,
        Operation::Shl => left.checked_shl(right as u32).unwrap_or(0),
        Operation::Shr => left.checked_shr(right as u32).unwrap_or(0),
        Operation::Eq => (l == r) as usize,
        Operation::Ne => (l != r) as usize,
        Operation::Ge => (l >= r) as usize,
        Operation::Gt => (l > r) as usize,
        Operation::Le => (l <= r) as usize,
        Operation::Lt => (l < r) as usize,
        _ => return None,
    })
}

struct Stack {
    words: [usize; 16],
    len: usize,
}
impl Stack {
    fn push(&mut self, word: usize) -> Option<()> {
        *self.words.get_mut(self.len)? = word;
        self.len += 1;
        Some(())
    }
    fn pop(&mut self) -> Option<usize> {
        self.len = self.len.checked_sub(1)?;
        Some(self.words[self.len])
    }
    fn peek(&self, depth: usize) -> Option<usize> {
        Some(self.words[self.len.checked_sub(depth + 1)?])
    }
}
