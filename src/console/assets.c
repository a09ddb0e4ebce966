/* assets.c - each file of web/ is included by the assembler. */
#include "console/assets.h"

#define ASSET(symbol, file)                                                                        \
    __asm__(".section .rodata\n"                                                                   \
            ".global asset_" symbol ", asset_" symbol "_end\n"                                     \
            "asset_" symbol ":\n"                                                                  \
            ".incbin \"" CONSOLE_WEB_DIR "/" file "\"\n"                                           \
            "asset_" symbol "_end:\n"                                                              \
            ".previous\n")

ASSET("html", "index.html");
ASSET("css", "console.css");
ASSET("js", "console.js");
ASSET("dom", "dom.js");
ASSET("plot", "plot.js");
ASSET("slow", "slow.js");
ASSET("icon", "icon.svg");
extern const uint8_t asset_html[], asset_html_end[], asset_css[], asset_css_end[], asset_js[],
    asset_js_end[], asset_dom[], asset_dom_end[], asset_plot[], asset_plot_end[], asset_slow[],
    asset_slow_end[], asset_icon[], asset_icon_end[];

#define SCRIPT_TYPE "text/javascript; charset=utf-8"

static const struct {
    const char *path;
    const char *content_type;
    const uint8_t *begin, *end;
} files[] = {
    { "/", "text/html; charset=utf-8", asset_html, asset_html_end },
    { "/console.css", "text/css; charset=utf-8", asset_css, asset_css_end },
    { "/console.js", SCRIPT_TYPE, asset_js, asset_js_end },
    { "/dom.js", SCRIPT_TYPE, asset_dom, asset_dom_end },
    { "/plot.js", SCRIPT_TYPE, asset_plot, asset_plot_end },
    { "/slow.js", SCRIPT_TYPE, asset_slow, asset_slow_end },
    { "/icon.svg", "image/svg+xml", asset_icon, asset_icon_end },
};
enum { FILE_COUNT = sizeof files / sizeof files[0] };

bool asset_at(struct slice path, struct asset *asset)
{
    for (int i = 0; i < FILE_COUNT; i++) {
        if (!slice_eq(path, slice_str(files[i].path)))
            continue;
        size_t bytes = (size_t)(files[i].end - files[i].begin);
        *asset = (struct asset){ files[i].content_type, slice_of(files[i].begin, bytes) };
        return true;
    }
    return false;
}
