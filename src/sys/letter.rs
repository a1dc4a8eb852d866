//! A letter: one datagram to a socket that somebody else listens at, with a descriptor in it perhaps.
//!
//! The socket of ours lives for the length of the call, and under a high number: the program may close and open
//! descriptors by number meanwhile.
//!
//! # Safety
//! The structs that the kernel reads are locals, laid out as it wants them.
#![allow(unsafe_code)]
use super::file::{self, Fd};
use super::raw::{Errno, check, syscall3};
use super::sandbox::{self, Need};

/// Where a letter goes: a path, or a name in the network namespace (then `bytes` begins with NUL).
#[derive(Clone, Copy)]
pub struct Address {
    bytes: [u8; Address::ROOM],
    len: usize,
}
impl Address {
    /// `sun_path`.
    const ROOM: usize = 108;

    /// `None`: too long.
    pub fn new(pieces: &[&[u8]]) -> Option<Address> {
        let mut address = Address { bytes: [0; Address::ROOM], len: 0 };
        for piece in pieces {
            let to = address.bytes.get_mut(address.len..address.len + piece.len())?;
            to.copy_from_slice(piece);
            address.len += piece.len();
        }
        // A path ends with NUL.
        (address.len < Address::ROOM).then_some(address)
    }
}

#[repr(C)]
struct SocketName {
    family: u16,
    path: [u8; Address::ROOM],
}
/// `struct cmsghdr` with one descriptor, padded as CMSG_SPACE has it.
#[repr(C)]
struct Enclosed {
    len: usize,
    level: i32,
    kind: i32,
    fd: i32,
    _pad: i32,
}

/// Sends `text`, and `enclosed` with it. Never waits. An error: nobody listens there.
pub fn send(to: &Address, text: &[u8], enclosed: Option<&Fd>) -> Result<(), Errno> {
    if sandbox::forbids(Need::Answer) {
        return Err(sandbox::REFUSED);
    }
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: integers only.
    let socket = check(unsafe { syscall3(libc::SYS_socket, libc::AF_UNIX as usize, kind as usize, 0) })?;
    let socket = out_of_the_way(Fd::adopt(socket as i32));
    let mut name = SocketName { family: libc::AF_UNIX as u16, path: to.bytes };
    let mut piece = libc::iovec { iov_base: text.as_ptr().cast_mut().cast(), iov_len: text.len() };
    // SAFETY: a struct of zeros is a msghdr without anything.
    let mut message: libc::msghdr = unsafe { core::mem::zeroed() };
    message.msg_name = (&raw mut name).cast();
    // A name in the namespace is as long as it is, a path goes to its NUL.
    message.msg_namelen = (2 + to.len + usize::from(to.bytes[0] != 0)) as u32;
    message.msg_iov = &raw mut piece;
    message.msg_iovlen = 1;
    let mut control = Enclosed {
        len: core::mem::offset_of!(Enclosed, _pad),
        level: libc::SOL_SOCKET,
        kind: libc::SCM_RIGHTS,
        fd: enclosed.map_or(-1, Fd::raw),
        _pad: 0,
    };
    if enclosed.is_some() {
        message.msg_control = (&raw mut control).cast();
        message.msg_controllen = size_of::<Enclosed>() as _;
    }
    let flags = (libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT) as usize;
    // SAFETY: all of the message lives until the call returns.
    check(unsafe { syscall3(libc::SYS_sendmsg, socket.raw() as usize, &raw const message as usize, flags) })
        .map(|_| ())
}

/// Numbers of ours begin here, where the limit allows it.
const HIGH: [usize; 2] = [1000, 200];

/// The same under a number that no program opens or closes by chance.
pub fn out_of_the_way(fd: Fd) -> Fd {
    another(fd.raw()).unwrap_or(fd)
}

/// A second descriptor for what `fd` is, under such a number; not for programs that exec starts.
pub fn another(fd: i32) -> Option<Fd> {
    HIGH.into_iter().find_map(|from| {
        // SAFETY: makes a new descriptor.
        let copy = unsafe { syscall3(libc::SYS_fcntl, fd as usize, libc::F_DUPFD_CLOEXEC as usize, from) };
        check(copy).ok().map(|copy| Fd::adopt(copy as i32))
    })
}

/// An anonymous file in memory.
pub fn paper(name: &core::ffi::CStr) -> Result<Fd, Errno> {
    if sandbox::forbids(Need::Answer) {
        return Err(sandbox::REFUSED);
    }
    file::memory(name).map(|fd| out_of_the_way(Fd::adopt(fd)))
}
