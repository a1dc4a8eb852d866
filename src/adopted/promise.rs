//! The promise to call an adopted range's cleanup, made when it is adopted so that nothing can fail
//! when it dies. The queue calls a function of ours, which asks here whether the range still stands
//! ([`super::begin`]); so a range that is unmapped at the last moment costs an empty call.
use crate::cleanups::{self, Id, Scope};
use crate::ground::critical::Critical;

/// What the queue calls, with a handle as its argument.
pub fn register(critical: &Critical, function: usize, handle: u64) -> Option<u64> {
    // A range is left behind by forks in its own entry.
    cleanups::register(critical, function, handle as usize, Scope::EachProcess).map(Id::to_word)
}

pub fn push(critical: &Critical, promise: u64, address: usize, size: usize) {
    if let Some(id) = Id::from_word(promise) {
        let _first = cleanups::push(critical, id, address, size);
        debug_assert!(_first, "a range dies once");
    }
}

pub fn cancel(critical: &Critical, promise: u64) {
    if let Some(id) = Id::from_word(promise) {
        cleanups::cancel(critical, id);
    }
}
