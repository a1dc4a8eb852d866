//! Memory protection keys: this thread's rights register, opened for a while.
//!
//! A host may close part of its own memory to itself (`pkey_mprotect` and `PKRU`). What is
//! stored there is as alive as anything, and nothing but the register stands in the way of
//! reading it: the page tables call the pages present and the list calls them `rw`.
//!
//! # Safety
//! RDPKRU and WRPKRU are executed only where CPUID says that the kernel enabled them.
#![allow(unsafe_code)]
use core::arch::asm;
use core::arch::x86_64::{__cpuid, __cpuid_count};

/// All keys open, until dropped. Not `Send`: the register is the thread's.
pub struct AllOpen {
    before: Option<u32>,
    _thread: core::marker::PhantomData<*const ()>,
}

impl AllOpen {
    pub fn new() -> AllOpen {
        let before = enabled().then(rights).filter(|&r| r != 0);
        if before.is_some() {
            set_rights(0);
        }
        AllOpen { before, _thread: core::marker::PhantomData }
    }
}
impl Default for AllOpen {
    fn default() -> Self {
        Self::new()
    }
}
impl Drop for AllOpen {
    fn drop(&mut self) {
        if let Some(rights) = self.before {
            set_rights(rights);
        }
    }
}

/// OSPKE: leaf 7, ECX bit 4.
#[allow(unused_unsafe)] // newer compilers call these intrinsics safe
fn enabled() -> bool {
    // SAFETY: every x86-64 processor has CPUID.
    unsafe { __cpuid(0).eax >= 7 && __cpuid_count(7, 0).ecx & 1 << 4 != 0 }
}

fn rights() -> u32 {
    let rights: u32;
    // SAFETY: the caller saw OSPKE; ECX must be 0.
    unsafe { asm!("rdpkru", in("ecx") 0, out("eax") rights, out("edx") _, options(nomem, nostack)) };
    rights
}

fn set_rights(rights: u32) {
    // SAFETY: the caller saw OSPKE; ECX and EDX must be 0. Ordered like a memory access.
    unsafe { asm!("wrpkru", in("eax") rights, in("ecx") 0, in("edx") 0, options(nostack)) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_come_back() {
        let before = enabled().then(rights);
        {
            let _open = AllOpen::new();
            assert!(!enabled() || rights() == 0);
        }
        assert_eq!(enabled().then(rights), before);
    }
}
