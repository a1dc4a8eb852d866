//! All callee-saved registers on the stack, and where; and a call on another stack.
//!
//! At a call every other register is dead or already spilled by the caller (SysV x86-64: all
//! vector registers are the caller's), so from the given stack pointer up everything that the
//! thread's frames know is in memory.
//!
//! # Safety
//! The asm keeps the ABI: it saves and restores what it pushes, and aligns the stack.
#![allow(unsafe_code)]
use crate::pure::addr::Addr;
use core::arch::global_asm;
use core::mem::ManuallyDrop;

global_asm!(
    ".text",
    ".globl gleaner_spill",
    ".hidden gleaner_spill",
    ".type gleaner_spill, @function",
    ".p2align 4",
    "gleaner_spill:",
    ".cfi_startproc",
    "push rbp",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbp, -16",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "push rbx",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    ".cfi_offset rbx, -24",
    ".cfi_offset r12, -32",
    ".cfi_offset r13, -40",
    ".cfi_offset r14, -48",
    ".cfi_offset r15, -56",
    "sub rsp, 8",
    "mov rax, rdi",
    "mov rdi, rsi",
    "mov rsi, rsp",
    "call rax",
    "add rsp, 8",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbx",
    "pop rbp",
    ".cfi_def_cfa rsp, 8",
    "ret",
    ".cfi_endproc",
    ".size gleaner_spill, . - gleaner_spill",
    ".globl gleaner_on_stack",
    ".hidden gleaner_on_stack",
    ".type gleaner_on_stack, @function",
    ".p2align 4",
    "gleaner_on_stack:",
    ".cfi_startproc",
    "push rbp",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbp, -16",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "mov rax, rdi",
    "mov rdi, rsi",
    "mov rsp, rdx",
    "mov rsi, rdx",
    "call rax",
    "mov rsp, rbp",
    "pop rbp",
    ".cfi_def_cfa rsp, 8",
    "ret",
    ".cfi_endproc",
    ".size gleaner_on_stack, . - gleaner_on_stack",
);

unsafe extern "C" {
    fn gleaner_spill(f: Entry, data: *mut u8);
    fn gleaner_on_stack(f: Entry, data: *mut u8, top: usize);
}
type Entry = unsafe extern "C" fn(*mut u8, usize);

/// Calls `f` with a stack pointer at and above which lie the callee-saved registers and all
/// frames of the callers.
#[inline(never)]
pub fn with_spilled<R>(f: impl FnOnce(usize) -> R) -> R {
    // SAFETY: the asm calls the entry once, with the data.
    through(f, |entry, data| unsafe { gleaner_spill(entry, data) })
}

/// Calls `f` on the stack that ends at `top`: the caller's may have no room for it. Frames of the
/// callers stay where they are and can be unwound.
///
/// # Safety
/// `top` is 16-byte aligned, and the memory below it is free for the length of the call and large
/// enough for `f` and for a handler of the host's that interrupts it.
pub unsafe fn on_stack<R>(top: Addr, f: impl FnOnce() -> R) -> R {
    // SAFETY: the asm calls the entry once, with the data; the stack is the caller's promise.
    through(|_| f(), |entry, data| unsafe { gleaner_on_stack(entry, data, top.0) })
}

/// Calls `f` by way of a C function and one pointer.
#[inline(always)]
fn through<R, F: FnOnce(usize) -> R>(f: F, call: impl FnOnce(Entry, *mut u8)) -> R {
    union Slot<F, R> {
        call: ManuallyDrop<F>,
        result: ManuallyDrop<R>,
    }
    unsafe extern "C" fn enter<F: FnOnce(usize) -> R, R>(data: *mut u8, sp: usize) {
        // SAFETY: `data` is the slot below, holding the closure until it is replaced by the result.
        unsafe {
            let slot = &mut *(data as *mut Slot<F, R>);
            let f = ManuallyDrop::take(&mut slot.call);
            slot.result = ManuallyDrop::new(f(sp));
        }
    }
    let mut slot = Slot { call: ManuallyDrop::new(f) };
    call(enter::<F, R>, (&raw mut slot).cast());
    // SAFETY: `enter` ran once, during the call, and left the result.
    unsafe { ManuallyDrop::take(&mut slot.result) }
}

/// `fs:0`: the address of the thread's descriptor.
#[inline(always)]
pub fn tcb() -> usize {
    let tcb: usize;
    // SAFETY: fs:0 holds the thread pointer by the ABI.
    unsafe { core::arch::asm!("mov {}, qword ptr fs:[0]", out(reg) tcb, options(nostack, pure, readonly)) };
    tcb
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_only_in_rbx_is_above_the_stack_pointer() {
        let secret = OPAQUE ^ 0x5a5a;
        let found = with_spilled(|sp| {
            let here = &raw const secret as usize;
            assert!(sp < here);
            sp % 16
        });
        assert_eq!(found, 0);
        assert_eq!(with_spilled(|_| (1u8, [7u64; 9])), (1, [7; 9]));
        assert!(tcb() != 0);
    }
    static OPAQUE: u64 = 77;

    #[test]
    fn another_stack_is_used_and_left() {
        let mut room = vec![0u128; 4096];
        let (lo, top) = (Addr::of(room.as_mut_ptr()), Addr::of(room.as_mut_ptr()).add(4096 * 16));
        // SAFETY: 64 KiB that nothing else uses.
        let there = unsafe { on_stack(top, || [with_spilled(|sp| sp), 3]) };
        assert!(lo.0 < there[0] && there[0] < top.0 && there[1] == 3);
        let here = with_spilled(|sp| sp);
        assert!(here < lo.0 || top.0 < here);
    }
}
