#include "wire/codes.h"

const char *request_code_name(int32_t code)
{
    switch (code) {
#define REQUEST_CODE(name, number)                                                                 \
    case number:                                                                                   \
        return #name;
        REQUEST_CODES(REQUEST_CODE)
#undef REQUEST_CODE
    default:
        return "unknown";
    }
}
