/* Rust's standard library asks this DLL for random bytes. Wine 8 lacks it. */
#include <stddef.h>

/* RtlGenRandom, in advapi32. */
int __stdcall SystemFunction036(void *bytes, unsigned long count);

__declspec(dllexport) int __stdcall ProcessPrng(unsigned char *bytes, size_t count)
{
    return SystemFunction036(bytes, (unsigned long)count);
}
