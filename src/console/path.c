#include "console/path.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <strings.h>

/* ---- path ------------------------------------------------------------------------------------ */

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool decode(struct slice raw, struct arena *arena, struct slice *word)
{
    uint8_t *out = arena_alloc(arena, raw.len);
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        uint8_t c = raw.data[i];
        if (c == '%') {
            if (raw.len - i < 3)
                return false;
            int high = hex_digit(raw.data[i + 1]), low = hex_digit(raw.data[i + 2]);
            if (high < 0 || low < 0)
                return false;
            c = (uint8_t)(high << 4 | low);
            i += 2;
        }
        if (c == 0)
            return false;
        out[len++] = c;
    }
    *word = slice_of(out, len);
    return len > 0;
}

static bool has_slash(struct slice text)
{
    return text.len > 0 && memchr(text.data, '/', text.len) != NULL;
}

bool path_matches(const char *pattern, struct slice path, struct arena *arena,
                  struct slice words[PATH_WORDS_MAX])
{
    struct slice expected = slice_str(pattern);
    int count = 0;
    for (;;) {
        bool is_last = !has_slash(expected);
        if (is_last != !has_slash(path))
            return false;
        struct slice want = slice_cut(&expected, '/'), got = slice_cut(&path, '/');
        if (slice_eq(want, SLICE("*"))) {
            assert(count < PATH_WORDS_MAX);
            if (!decode(got, arena, &words[count++]))
                return false;
        } else if (!slice_eq(want, got)) {
            return false;
        }
        if (is_last)
            return true;
    }
}

/* ---- host ------------------------------------------------------------------------------------ */

static bool is_address(int family, struct slice text)
{
    char terminated[INET6_ADDRSTRLEN];
    uint8_t address[sizeof(struct in6_addr)];
    if (text.len == 0 || text.len >= sizeof terminated || memchr(text.data, 0, text.len) != NULL)
        return false;
    memcpy(terminated, text.data, text.len);
    terminated[text.len] = 0;
    return inet_pton(family, terminated, address) == 1;
}

static bool is_name(struct slice text, const char *name)
{
    return name != NULL && text.len == strlen(name) &&
           strncasecmp((const char *)text.data, name, text.len) == 0;
}

static bool is_port(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!isdigit(text.data[i]))
            return false;
    return true;
}

bool host_is_ours(struct slice host, const char *name)
{
    if (host.len == 0)
        return false;
    if (host.data[0] == '[') {
        struct slice rest = slice_from(host, 1);
        struct slice address = slice_cut(&rest, ']');
        if (address.len + 2 + rest.len != host.len || !is_address(AF_INET6, address))
            return false;
        return rest.len == 0 || (rest.data[0] == ':' && is_port(slice_from(rest, 1)));
    }
    struct slice rest = host;
    struct slice text = slice_cut(&rest, ':');
    return text.len > 0 && is_port(rest) &&
           (is_address(AF_INET, text) || is_name(text, "localhost") || is_name(text, name));
}
