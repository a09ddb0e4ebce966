#include "bench/device.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { SECTOR_BYTES = 512 }; /* the unit of the counters, whatever the device's own is */

int64_t device_written_bytes(const char *dir)
{
    struct stat status;
    char path[64];
    if (stat(dir, &status) != 0)
        return -1;
    snprintf(path, sizeof path, "/sys/dev/block/%u:%u/stat", major(status.st_dev),
             minor(status.st_dev));
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return -1;
    /* reads, merged, sectors, ms; writes, merged, sectors, ... */
    long long sectors = -1;
    if (fscanf(file, "%*u %*u %*u %*u %*u %*u %lld", &sectors) != 1)
        sectors = -1;
    fclose(file);
    return sectors < 0 ? -1 : sectors * SECTOR_BYTES;
}
