"""A Python program that asks the library through ctypes, and runs the same without it.

The buffer belongs to C (malloc), its owner frees it while somebody else still reads: under the library a pin keeps it whole,
without it the program waits with the free, as it had to before."""
import ctypes

c = ctypes.CDLL(None)
c.malloc.restype = ctypes.c_void_p
c.free.argtypes = [ctypes.c_void_p]


def call(name, *arguments, absent=-1):
    """A function of gleaner.h by its name; what the header says where it is absent."""
    function = getattr(c, name, None)
    return absent if function is None else function(*arguments)


present = hasattr(c, "gleaner_api")
address = c.malloc(1000)
ctypes.memset(address, ord("x"), 1000)
p = ctypes.c_void_p(address)

answer = call("gleaner_pin", p)
assert answer == (0 if present else -1), answer
if present:
    c.free(p)
    others = [ctypes.create_string_buffer(1000) for _ in range(1000)]
    more = [c.malloc(1000) for _ in range(1000)]
    assert address not in more
    for other in more:
        c.free(ctypes.c_void_p(other))
call("gleaner_collect")
assert ctypes.string_at(address, 1000) == b"x" * 1000
if present:
    assert call("gleaner_unpin", p) == 0
    assert call("gleaner_unpin", p) != 0
else:
    c.free(p)

# A cleanup in Python: called where the program asks for it, not in free().
called = []
Cleanup = ctypes.CFUNCTYPE(None, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_size_t)
note = Cleanup(lambda address, size, argument: called.append((size >= 500, argument)))
block = ctypes.c_void_p(c.malloc(500))
call("gleaner_add_cleanup", block, note, ctypes.c_size_t(7), 0, None)
c.free(block)
assert called == []
call("gleaner_run_cleanups", absent=0)
assert called == ([(True, 7)] if present else []), called
print("the buffer stayed whole")
