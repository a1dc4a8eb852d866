//! The signal that asks, and the sockets where the answer comes in.
//!
//! # Safety
//! The kernel gets structs of its own layout that live for the call; a descriptor that arrives is owned
//! here from then on, once.
#![allow(unsafe_code)]
use super::said;
use gleaner_core::threads::visits::MARK;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The process that is asked.
pub struct Target {
    pub pid: i32,
    /// Names it even when its number has gone to another one; readable when it has ended.
    handle: OwnedFd,
}

impl Target {
    pub fn open(pid: i32) -> io::Result<Target> {
        // SAFETY: integers only.
        let opened = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        if opened < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a new descriptor of ours.
        let handle = unsafe { OwnedFd::from_raw_fd(opened as RawFd) };
        // SAFETY: signal 0 sends nothing.
        if unsafe { libc::kill(pid, 0) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Target { pid, handle })
    }

    /// Asks one thread.
    pub fn signal(&self, tid: i32, signal: i32, number: u64) -> io::Result<()> {
        // `siginfo_t`: signal, errno, code, padding, sender, user, value.
        let mut info = [0u32; 32];
        info[0] = signal as u32;
        info[2] = MARK as u32;
        info[4] = std::process::id();
        info[6] = number as u32;
        info[7] = (number >> 32) as u32;
        // SAFETY: the kernel reads the 128 bytes of a siginfo_t.
        let sent =
            unsafe { libc::syscall(libc::SYS_rt_tgsigqueueinfo, self.pid, tid, signal, info.as_ptr()) };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    pub fn has_ended(&self) -> bool {
        poll(&mut [wanted(&self.handle)], 0) > 0
    }
}

fn wanted(fd: &impl AsRawFd) -> libc::pollfd {
    libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 }
}

/// How many of them are ready within `ms`.
fn poll(list: &mut [libc::pollfd], ms: i32) -> i32 {
    // SAFETY: the list is the kernel's to write.
    unsafe { libc::poll(list.as_mut_ptr(), list.len() as libc::nfds_t, ms) }
}

/// What came in.
pub enum Mail {
    Begun,
    Done(File),
    /// A copy of the process writes its answer into this pipe.
    Copied(File),
    Refused(String),
    /// The process has ended.
    Ended,
    /// Nothing, in that time.
    None,
}

/// Sockets by one number.
pub struct Mailbox {
    pub number: u64,
    pid: i32,
    sockets: Vec<UnixDatagram>,
    paths: Vec<PathBuf>,
}

/// Directories that both may see, as the library tries them.
const PLACES: &[&str] = &["tmp", "dev/shm", "run", "var/tmp"];

impl Mailbox {
    /// `what` is asked for: a word that the library looks for in the sockets' names.
    pub fn new(pid: i32, what: &str) -> Result<Mailbox, String> {
        let mut mailbox = Mailbox { number: number()?, pid, sockets: Vec::new(), paths: Vec::new() };
        mailbox.open(what).map_err(|error| format!("cannot listen for the answer: {}", said(&error)))?;
        Ok(mailbox)
    }

    /// Stops listening.
    pub fn renew(&mut self) {
        self.sockets.clear();
        self.paths.drain(..).for_each(|path| drop(fs::remove_file(path)));
    }

    fn open(&mut self, what: &str) -> io::Result<()> {
        let name = format!("gleaner-{what}-{:016x}", self.number);
        self.add(UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name)?)?)?;
        let network = |who: &str| fs::read_link(format!("/proc/{who}/ns/net")).ok();
        let theirs = network(&self.pid.to_string());
        if theirs.is_some() && theirs == network("self") {
            return Ok(());
        }
        // In another network namespace, or nobody may tell: a file where it will find it.
        let root = PathBuf::from(format!("/proc/{}/root", self.pid));
        let root = if fs::metadata(root.join(".")).is_ok() { root } else { PathBuf::from("/") };
        for place in PLACES {
            let path = root.join(place).join(format!(".{name}"));
            let Ok(socket) = UnixDatagram::bind(&path) else { continue };
            self.paths.push(path.clone());
            let _ = fs::set_permissions(&path, fs::Permissions::from_mode(0o666));
            self.add(socket)?;
            break;
        }
        Ok(())
    }

    fn add(&mut self, socket: UnixDatagram) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        let on = 1i32;
        let length = size_of_val(&on) as libc::socklen_t;
        // SAFETY: the kernel reads one int.
        let set = unsafe {
            let value = (&raw const on).cast();
            libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PASSCRED, value, length)
        };
        if set < 0 {
            return Err(io::Error::last_os_error());
        }
        self.sockets.push(socket);
        Ok(())
    }

    /// The next letter of the process's, until `deadline`.
    pub fn wait(&self, target: &Target, deadline: Instant) -> Mail {
        loop {
            if let Some(mail) = self.sockets.iter().find_map(|socket| self.take(socket)) {
                return mail;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Mail::None;
            }
            let mut list: Vec<libc::pollfd> = self.sockets.iter().map(wanted).collect();
            list.push(wanted(&target.handle));
            poll(&mut list, left.as_millis().clamp(1, 10_000) as i32);
            let letters = list.iter().rev().skip(1).any(|one| one.revents != 0);
            // What it sent before its end still counts.
            if !letters && list.last().is_some_and(|one| one.revents != 0) {
                return Mail::Ended;
            }
        }
    }

    /// One letter, if there is one and it is the process's.
    fn take(&self, socket: &UnixDatagram) -> Option<Mail> {
        let (text, sender, enclosed) = receive(socket.as_raw_fd())?;
        if sender != Some(self.pid) {
            return None;
        }
        let said = String::from_utf8_lossy(&text);
        let said = said.strip_prefix("gleaner-check ").unwrap_or_default();
        Some(match (said.strip_prefix("1 "), enclosed) {
            (Some("begun"), _) => Mail::Begun,
            (Some("done"), Some(record)) => Mail::Done(File::from(record)),
            (Some("copied"), Some(pipe)) => Mail::Copied(File::from(pipe)),
            (Some(said), _) => match said.strip_prefix("refused ") {
                Some(why) => Mail::Refused(why.to_owned()),
                None => Mail::Refused(format!("its answer is not understood: {said}")),
            },
            (None, _) => Mail::Refused("its library is of another version".into()),
        })
    }
}

fn last_line(text: &[u8]) -> &[u8] {
    text.trim_ascii_end().rsplit(|&byte| byte == b'\n').next().unwrap_or_default()
}

/// What a copy of the process says, until `deadline`. [`Mail::Begun`]: it ended without an answer.
pub fn listen(mut pipe: File, deadline: Instant) -> io::Result<Mail> {
    let (mut text, mut piece) = (Vec::new(), vec![0u8; 1 << 16]);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Mail::None);
        }
        if poll(&mut [wanted(&pipe)], left.as_millis().clamp(1, 10_000) as i32) <= 0 {
            continue;
        }
        match pipe.read(&mut piece)? {
            0 => break,
            n => text.extend_from_slice(&piece[..n]),
        }
        // A child of the program's may hold the other end, too.
        if text.ends_with(b"\n") && last_line(&text).starts_with(b"end ") {
            break;
        }
    }
    let last = last_line(&text);
    if last.starts_with(b"refused ") {
        return Ok(Mail::Refused(String::from_utf8_lossy(&last[8..]).into_owned()));
    }
    if !last.starts_with(b"end ") {
        return Ok(Mail::Begun);
    }
    // SAFETY: a new descriptor of ours, if there is one.
    let mut record = unsafe {
        let fd = libc::memfd_create(c"gleaner-record".as_ptr(), libc::MFD_CLOEXEC);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        File::from_raw_fd(fd)
    };
    record.write_all(&text)?;
    record.rewind()?;
    Ok(Mail::Done(record))
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.renew();
    }
}

fn number() -> Result<u64, String> {
    let mut bytes = [0; 8];
    let read = File::open(Path::new("/dev/urandom")).and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|error| format!("cannot read /dev/urandom: {}", said(&error)))?;
    Ok(u64::from_ne_bytes(bytes))
}

/// A datagram, the process that sent it, and a descriptor that was in it.
fn receive(socket: RawFd) -> Option<(Vec<u8>, Option<i32>, Option<OwnedFd>)> {
    let mut text = vec![0u8; 1024];
    let mut control = [0u64; 32];
    let mut piece = libc::iovec { iov_base: text.as_mut_ptr().cast(), iov_len: text.len() };
    // SAFETY: a struct of zeros is an empty msghdr; all that it points to lives until the call returns.
    let (got, message) = unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut piece;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control) as _;
        (libc::recvmsg(socket, &raw mut message, libc::MSG_CMSG_CLOEXEC), message)
    };
    text.truncate(usize::try_from(got).ok()?);
    let (mut sender, mut enclosed) = (None, None);
    // SAFETY: walks what the kernel wrote, by its own lengths; each descriptor in it is new, and ours.
    unsafe {
        let mut head = libc::CMSG_FIRSTHDR(&raw const message);
        while let Some(one) = head.as_ref() {
            let data = libc::CMSG_DATA(head);
            match (one.cmsg_level, one.cmsg_type) {
                (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) => {
                    sender = Some(data.cast::<libc::ucred>().read_unaligned().pid);
                }
                (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                    let fd = data.cast::<RawFd>().read_unaligned();
                    enclosed = Some(OwnedFd::from_raw_fd(fd));
                }
                _ => {}
            }
            head = libc::CMSG_NXTHDR(&raw const message, head);
        }
    }
    Some((text, sender, enclosed))
}
