#include "console/mhd.h"

#include <dlfcn.h>
#include <stddef.h>

#include "base/log.h"

#define MHD_FILE "libmicrohttpd.so.12"

static const struct {
    const char *name;
    size_t at;
} functions[] = {
#define MHD_FUNCTION(name) { "MHD_" #name, offsetof(struct mhd, name) },
    MHD_FUNCTIONS(MHD_FUNCTION)
#undef MHD_FUNCTION
};
enum { FUNCTION_COUNT = sizeof functions / sizeof functions[0] };

const struct mhd *mhd_load(void)
{
    static struct mhd mhd;
    void *library = dlopen(MHD_FILE, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        goto fail;
    for (int i = 0; i < FUNCTION_COUNT; i++) {
        void *function = dlsym(library, functions[i].name);
        if (function == NULL)
            goto fail;
        *(void **)((char *)&mhd + functions[i].at) = function;
    }
    return &mhd;
fail:
    log_error("console_library_failed file=%s reason=\"%s\"", MHD_FILE, dlerror());
    return NULL;
}
