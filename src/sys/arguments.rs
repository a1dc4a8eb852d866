//! A C function's integer arguments, out of the way and back: text for naked functions that ask something of their
//! own before they jump on. Six words of stack; whoever calls in between sees to the alignment.

#[macro_export]
macro_rules! arguments {
    (push) => {
        "push rdi\npush rsi\npush rdx\npush rcx\npush r8\npush r9"
    };
    (pop) => {
        "pop r9\npop r8\npop rcx\npop rdx\npop rsi\npop rdi"
    };
}
