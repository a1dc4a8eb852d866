// 1 KiB of thread-local storage in the static block.
// flags: -ftls-model=initial-exec
static __thread char block[1024] __attribute__((tls_model("initial-exec")));
int plugin_tls(int value) {
    block[1000] = (char)value;
    return block[1000];
}
