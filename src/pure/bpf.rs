//! Classic BPF, as seccomp runs it: what a filter says of a system call, without making the call.
//!
//! The kernel allows a filter this much of the language: loads of whole words of the 64-byte
//! `struct seccomp_data`, arithmetic, jumps forward, returns. Anything else gives `None`, and so do a
//! jump out of the program and a division by zero: then nothing is known.
//! ```text
//! data:  0 number   4 architecture   8 instruction pointer   16, 24 … 56 six arguments
//! ```

/// One instruction: the kernel's `struct sock_filter`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Instruction {
    pub code: u16,
    pub jt: u8,
    pub jf: u8,
    pub k: u32,
}

/// A system call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Call {
    pub number: u32,
    pub arguments: [u64; 6],
}

/// AUDIT_ARCH_X86_64.
const ARCHITECTURE: u32 = 0xc000_003e;
const DATA_BYTES: u32 = 64;
/// The language's scratch words.
const WORDS: usize = 16;

impl Call {
    fn word(&self, offset: u32) -> Option<u32> {
        if offset >= DATA_BYTES || !offset.is_multiple_of(4) {
            return None;
        }
        Some(match offset {
            0 => self.number,
            4 => ARCHITECTURE,
            // The instruction pointer: code of ours, wherever that is.
            8 | 12 => 0,
            _ => {
                let argument = self.arguments[(offset as usize - 16) / 8];
                if offset.is_multiple_of(8) { argument as u32 } else { (argument >> 32) as u32 }
            }
        })
    }
}

/// What `program` returns for `call`: a SECCOMP_RET_ value.
pub fn run(program: &[Instruction], call: &Call) -> Option<u32> {
    let (mut a, mut x, mut words, mut at) = (0u32, 0u32, [0u32; WORDS], 0usize);
    loop {
        let i = program.get(at)?;
        at += 1;
        let operand = if i.code & 0x08 == 0 { i.k } else { x };
        match i.code & 0x07 {
            LD => a = load(i, call, &words)?,
            LDX => x = load(i, call, &words)?,
            ST => *words.get_mut(i.k as usize)? = a,
            STX => *words.get_mut(i.k as usize)? = x,
            ALU => a = compute(i.code & 0xf0, a, operand)?,
            JMP => {
                at += match i.code & 0xf0 {
                    0x00 => i.k as usize,
                    test => {
                        let taken = match test {
                            0x10 => a == operand,
                            0x20 => a > operand,
                            0x30 => a >= operand,
                            0x40 => a & operand != 0,
                            _ => return None,
                        };
                        usize::from(if taken { i.jt } else { i.jf })
                    }
                }
            }
            RET => {
                return match i.code & 0x18 {
                    0x00 => Some(i.k),
                    0x10 => Some(a),
                    _ => None,
                };
            }
            // TAX and TXA.
            _ => match i.code & 0xf8 {
                0x00 => x = a,
                0x80 => a = x,
                _ => return None,
            },
        }
    }
}

const LD: u16 = 0;
const LDX: u16 = 1;
const ST: u16 = 2;
const STX: u16 = 3;
const ALU: u16 = 4;
const JMP: u16 = 5;
const RET: u16 = 6;

fn load(i: &Instruction, call: &Call, words: &[u32; WORDS]) -> Option<u32> {
    match i.code & 0xf8 {
        // Immediate; absolute word of the data; scratch word; length of the data.
        0x00 => Some(i.k),
        0x20 if i.code & 0x07 == LD => call.word(i.k),
        0x60 => words.get(i.k as usize).copied(),
        0x80 => Some(DATA_BYTES),
        _ => None,
    }
}

fn compute(operation: u16, a: u32, operand: u32) -> Option<u32> {
    Some(match operation {
        0x00 => a.wrapping_add(operand),
        0x10 => a.wrapping_sub(operand),
        0x20 => a.wrapping_mul(operand),
        0x30 => a.checked_div(operand)?,
        0x40 => a | operand,
        0x50 => a & operand,
        0x60 => a.checked_shl(operand)?,
        0x70 => a.checked_shr(operand)?,
        0x80 => a.wrapping_neg(),
        0xa0 => a ^ operand,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
