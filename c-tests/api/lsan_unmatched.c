// LeakSanitizer ends a program that enables what it did not disable; in the other modes nothing is said.
// native: no
// status[leak]: SIGABRT
// stderr[leak]: gleaner: __lsan_enable without __lsan_disable
void __lsan_enable(void) __attribute__((weak));
int main(void) {
    __lsan_enable();
    return 0;
}
