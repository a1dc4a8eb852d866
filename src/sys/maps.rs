//! The kernel's own list of this process's mappings: `/proc/thread-self/maps`, parsed as a stream.
//!
//! Not `/proc/self`: that is the first thread's, and it reads as empty once the first thread has
//! left by pthread_exit, while the others go on.
//!
//! Mappings come and go past every interposed function (thread stacks, ld.so, raw system
//! calls), so what is mapped is asked of the kernel. A line looks like
//! `7f4f…-7f4f… rw-p 00033000 fe:00 325843    /path (deleted)`; the kernel hands out at most
//! one page of lines a read, whole lines at a time. [`Parser`] takes bytes in any pieces and
//! keeps no line: numbers are accumulated digit by digit and of the name only the first
//! [`NAME`] bytes (or as many as asked for) are kept, so a path of any length costs nothing. 40 to 100 bytes a line,
//! about 2 ns a byte.
//!
//! `PROCMAP_QUERY` (kernel 6.11) was rejected for whole lists: half a microsecond a mapping
//! against a quarter for the text.
use super::file::{self, Fd};
use super::path::PATH_MAX;
use super::raw::Errno;
use crate::pure::addr::Addr;

/// Bytes of a mapping's name that are kept: enough to tell every special one.
pub const NAME: usize = 48;

/// The four letters of the second column.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Perms(u8);

impl Perms {
    pub const READ: Perms = Perms(1);
    pub const WRITE: Perms = Perms(2);
    pub const EXEC: Perms = Perms(4);
    pub const SHARED: Perms = Perms(8);

    pub const fn has(self, other: Perms) -> bool {
        self.0 & other.0 == other.0
    }
    pub const fn with(self, other: Perms) -> Perms {
        Perms(self.0 | other.0)
    }
    pub const fn bits(self) -> u8 {
        self.0
    }
    pub const fn from_bits(bits: u8) -> Perms {
        Perms(bits & 15)
    }
}

/// One line of the list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapping<'a> {
    pub lo: Addr,
    pub hi: Addr,
    pub perms: Perms,
    pub offset: u64,
    /// 0 for anonymous memory.
    pub inode: u64,
    /// The name's first bytes, as many as the parser keeps; empty for unnamed anonymous memory.
    pub name: &'a [u8],
}

/// The text is not what the kernel is known to write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapsError {
    /// The list could not be opened or read.
    Io(Errno),
    Malformed,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Lo,
    Hi,
    Perms,
    Offset,
    Device,
    Inode,
    /// Blanks before the name.
    Gap,
    Name,
}

/// The state between two pieces of text.
pub struct Parser<const KEPT: usize = NAME> {
    stage: Stage,
    /// The number being read, and how many digits it has so far.
    number: u64,
    digits: u32,
    lo: usize,
    hi: usize,
    offset: u64,
    inode: u64,
    perms: Perms,
    name: [u8; KEPT],
    name_len: usize,
}

impl<const KEPT: usize> Default for Parser<KEPT> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const KEPT: usize> Parser<KEPT> {
    pub const fn new() -> Parser<KEPT> {
        Parser {
            stage: Stage::Lo,
            number: 0,
            digits: 0,
            lo: 0,
            hi: 0,
            offset: 0,
            inode: 0,
            perms: Perms(0),
            name: [0; KEPT],
            name_len: 0,
        }
    }

    /// Takes the next piece of text, and calls `each` for every line that it completes.
    pub fn feed(&mut self, text: &[u8], each: &mut dyn FnMut(&Mapping<'_>)) -> Result<(), Malformed> {
        for &byte in text {
            if byte == b'\n' {
                self.end_of_line(each)?;
            } else {
                self.byte(byte)?;
            }
        }
        Ok(())
    }

    /// The text is over: it must have ended with a whole line.
    pub fn finish(&self) -> Result<(), Malformed> {
        if self.stage == Stage::Lo && self.digits == 0 { Ok(()) } else { Err(Malformed) }
    }

    #[inline]
    fn byte(&mut self, byte: u8) -> Result<(), Malformed> {
        match self.stage {
            Stage::Lo if byte == b'-' => {
                self.lo = self.take_number()? as usize;
                self.stage = Stage::Hi;
            }
            Stage::Hi if byte == b' ' => {
                self.hi = self.take_number()? as usize;
                self.perms = Perms(0);
                self.stage = Stage::Perms;
            }
            Stage::Perms => self.permission(byte)?,
            Stage::Offset if byte == b' ' => {
                self.offset = self.take_number()?;
                self.stage = Stage::Device;
            }
            // The device says nothing that the inode and the name do not.
            Stage::Device => {
                if byte == b' ' {
                    self.stage = Stage::Inode;
                }
            }
            Stage::Lo | Stage::Hi | Stage::Offset => self.hex_digit(byte)?,
            Stage::Inode if byte == b' ' => {
                self.inode = self.take_number()?;
                self.stage = Stage::Gap;
            }
            Stage::Inode => self.decimal_digit(byte)?,
            Stage::Gap if byte == b' ' => {}
            Stage::Gap | Stage::Name => {
                self.stage = Stage::Name;
                if self.name_len < KEPT {
                    self.name[self.name_len] = byte;
                    self.name_len += 1;
                }
            }
        }
        Ok(())
    }

    fn permission(&mut self, byte: u8) -> Result<(), Malformed> {
        match byte {
            b'r' => self.perms = self.perms.with(Perms::READ),
            b'w' => self.perms = self.perms.with(Perms::WRITE),
            b'x' => self.perms = self.perms.with(Perms::EXEC),
            b's' => self.perms = self.perms.with(Perms::SHARED),
            b'-' | b'p' => {}
            b' ' => self.stage = Stage::Offset,
            _ => return Err(Malformed),
        }
        Ok(())
    }

    #[inline]
    fn hex_digit(&mut self, byte: u8) -> Result<(), Malformed> {
        let value = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return Err(Malformed),
        };
        self.number = self.number << 4 | value as u64;
        self.digits += 1;
        // More than 64 bits?
        if self.digits > 16 { Err(Malformed) } else { Ok(()) }
    }

    #[inline]
    fn decimal_digit(&mut self, byte: u8) -> Result<(), Malformed> {
        let value = byte.wrapping_sub(b'0');
        if value > 9 {
            return Err(Malformed);
        }
        let scaled = self.number.checked_mul(10).ok_or(Malformed)?;
        self.number = scaled.checked_add(value as u64).ok_or(Malformed)?;
        self.digits += 1;
        Ok(())
    }

    fn take_number(&mut self) -> Result<u64, Malformed> {
        if self.digits == 0 {
            return Err(Malformed);
        }
        let n = self.number;
        (self.number, self.digits) = (0, 0);
        Ok(n)
    }

    fn end_of_line(&mut self, each: &mut dyn FnMut(&Mapping<'_>)) -> Result<(), Malformed> {
        match self.stage {
            Stage::Inode => self.inode = self.take_number()?,
            Stage::Gap | Stage::Name => {}
            _ => return Err(Malformed),
        }
        if self.lo >= self.hi {
            return Err(Malformed);
        }
        each(&Mapping {
            lo: Addr(self.lo),
            hi: Addr(self.hi),
            perms: self.perms,
            offset: self.offset,
            inode: self.inode,
            name: &self.name[..self.name_len],
        });
        self.stage = Stage::Lo;
        self.name_len = 0;
        Ok(())
    }
}

/// Reads the whole list through `buffer` (any size; a page or more saves calls) and calls `each`
/// for every mapping, in rising order. Opens a descriptor for the time of the call: while other
/// threads run, one of them could close it by number, so a collector calls this with the world stopped.
pub fn for_each(buffer: &mut [u8], each: &mut dyn FnMut(&Mapping<'_>)) -> Result<(), MapsError> {
    stream(buffer, Parser::<NAME>::new(), each)
}

/// The same with whole paths, on a stack of 2 KB: for slow paths that may run in a signal handler.
pub fn for_each_path(each: &mut dyn FnMut(&Mapping<'_>)) -> Result<(), MapsError> {
    stream(&mut [0; 512], Parser::<PATH_MAX>::new(), each)
}

fn stream<const KEPT: usize>(
    buffer: &mut [u8],
    mut parser: Parser<KEPT>,
    each: &mut dyn FnMut(&Mapping<'_>),
) -> Result<(), MapsError> {
    let fd = Fd::open(c"/proc/thread-self/maps", libc::O_RDONLY, 0).map_err(MapsError::Io)?;
    loop {
        let n = file::read(fd.raw(), buffer).map_err(MapsError::Io)?;
        if n == 0 {
            return parser.finish().map_err(|_| MapsError::Malformed);
        }
        parser.feed(&buffer[..n], each).map_err(|_| MapsError::Malformed)?;
    }
}

#[cfg(test)]
mod tests;
