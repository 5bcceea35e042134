/* SPDX-License-Identifier: MIT */
#include "tune/search.h"

#include <stdlib.h>
#include <string.h>

/* For CPUs large blocks of results a work-item, which vectorising compilers keep in registers; for
 * GPUs 4 x 4 to 8 x 8 results a work-item, 64 to 256 work-items, with and without local memory. */
static const char *const known[] = {
    "GEMMK=1 KREG=16 KWG=1 KWI=1 MDIMA=2 MDIMC=2 MWG=64 NDIMB=2 NDIMC=2 NWG=64 SA=0 SB=0 STRM=0 "
    "STRN=0 VWM=16 VWN=16",
    "GEMMK=1 KREG=8 KWG=1 KWI=1 MDIMA=2 MDIMC=2 MWG=64 NDIMB=2 NDIMC=2 NWG=64 SA=0 SB=0 STRM=0 "
    "STRN=0 VWM=8 VWN=8",
    "GEMMK=0 KREG=1 KWG=16 KWI=2 MDIMA=16 MDIMC=16 MWG=128 NDIMB=16 NDIMC=16 NWG=128 SA=1 SB=1 "
    "STRM=0 STRN=0 VWM=4 VWN=4",
    "GEMMK=0 KREG=1 KWG=32 KWI=2 MDIMA=16 MDIMC=16 MWG=64 NDIMB=8 NDIMC=8 NWG=64 SA=1 SB=1 STRM=1 "
    "STRN=0 VWM=2 VWN=2",
    "GEMMK=1 KREG=4 KWG=1 KWI=1 MDIMA=2 MDIMC=2 MWG=64 NDIMB=2 NDIMC=2 NWG=64 SA=0 SB=0 STRM=0 "
    "STRN=0 VWM=8 VWN=4",
    "GEMMK=0 KREG=1 KWG=32 KWI=2 MDIMA=8 MDIMC=8 MWG=128 NDIMB=8 NDIMC=8 NWG=16 SA=0 SB=0 STRM=0 "
    "STRN=0 VWM=8 VWN=2",
    "GEMMK=0 KREG=1 KWG=16 KWI=2 MDIMA=32 MDIMC=32 MWG=128 NDIMB=16 NDIMC=8 NWG=64 SA=1 SB=1 "
    "STRM=1 STRN=1 VWM=4 VWN=4",
    "GEMMK=1 KREG=8 KWG=1 KWI=1 MDIMA=16 MDIMC=16 MWG=128 NDIMB=16 NDIMC=16 NWG=128 SA=0 SB=0 "
    "STRM=0 STRN=0 VWM=4 VWN=4",
    "GEMMK=0 KREG=1 KWG=32 KWI=8 MDIMA=8 MDIMC=8 MWG=128 NDIMB=16 NDIMC=16 NWG=64 SA=1 SB=0 "
    "STRM=0 STRN=0 VWM=4 VWN=1",
    "GEMMK=1 KREG=4 KWG=1 KWI=1 MDIMA=4 MDIMC=4 MWG=32 NDIMB=4 NDIMC=4 NWG=32 SA=0 SB=0 STRM=0 "
    "STRN=0 VWM=4 VWN=4",
    "KWID=2 MDIMAD=8 MDIMCD=8 NDIMBD=8 NDIMCD=8 PADA=1 PADB=1 VWMD=4 VWND=4 WGD=32",
    "KWID=8 MDIMAD=16 MDIMCD=16 NDIMBD=16 NDIMCD=16 PADA=1 PADB=1 VWMD=2 VWND=2 WGD=64",
    "KWID=2 MDIMAD=2 MDIMCD=2 NDIMBD=2 NDIMCD=2 PADA=0 PADB=0 VWMD=8 VWND=8 WGD=32",
    "KWID=2 MDIMAD=8 MDIMCD=8 NDIMBD=8 NDIMCD=8 PADA=1 PADB=1 VWMD=1 VWND=1 WGD=8",
    "COPY_DIMX=32 COPY_DIMY=8 COPY_VW=4 COPY_WPT=1",
    "COPY_DIMX=8 COPY_DIMY=1 COPY_VW=8 COPY_WPT=4",
    "PAD_DIMX=32 PAD_DIMY=8 PAD_WPTX=1 PAD_WPTY=1",
    "PAD_DIMX=32 PAD_DIMY=1 PAD_WPTX=4 PAD_WPTY=1",
    "TRA_DIM=8 TRA_PAD=0 TRA_SHUFFLE=0 TRA_WPT=4",
    "TRA_DIM=16 TRA_PAD=1 TRA_SHUFFLE=1 TRA_WPT=4",
    "PADTRA_PAD=0 PADTRA_TILE=8 PADTRA_WPT=4",
    "PADTRA_PAD=1 PADTRA_TILE=16 PADTRA_WPT=2",
};

int ffcl_search_known(ffcl_tuning *t, size_t first, size_t k)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (ffcl_tuning_scan(t, known[i], NULL) == 0 && t->value[first] != FFCL_TUNING_UNSET &&
            k-- == 0)
            return 0;
    return -1;
}

size_t ffcl_search_below(uint64_t *random, size_t n)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(*random >> 33) % n;
}

static size_t *at(ffcl_tuning *t, const char *name)
{
    return &t->value[ffcl_tuning_find(name)];
}

/* Fixes what need not be searched for either kernel of Xgemm: the values that it does not read, and
 * for GEMMK = 1 square work-groups and tiles, as CLBlast before 1.6.3 computes others wrong. */
static void settle(ffcl_tuning *t)
{
    static const char *const unused[] = {"SA", "SB", "STRM", "STRN"};
    if (*at(t, "GEMMK") == 0) {
        *at(t, "KREG") = 1;
        return;
    }
    *at(t, "KWG") = *at(t, "KWI") = 1;
    *at(t, "MDIMA") = *at(t, "MDIMC");
    *at(t, "NDIMB") = *at(t, "NDIMC");
    *at(t, "NWG") = *at(t, "MWG");
    for (size_t i = 0; i < sizeof unused / sizeof *unused; i++)
        *at(t, unused[i]) = 0;
}

/* Rules out legal sets that are slow on any device: too few results a work-item, or more than
 * registers hold; large work-groups on CPUs, small ones on GPUs. */
static int is_plausible(ffcl_tuning *t, const ffcl_caps *caps)
{
    const int cpu = (caps->type & CL_DEVICE_TYPE_CPU) != 0;
    size_t items = *at(t, "MDIMC") * *at(t, "NDIMC");
    size_t results = *at(t, "MWG") * *at(t, "NWG") / items;
    if (cpu)
        return items <= 64 && results >= 16 && results <= 2048;
    return items >= 32 && items <= 512 && results >= 4 && results <= 256;
}

static size_t choice(size_t row, uint64_t *random)
{
    const unsigned short *choices = ffcl_tuning_rows[row].choices;
    size_t n = 0;
    while (choices[n] != FFCL_TUNING_NO_CHOICE)
        n++;
    return choices[ffcl_search_below(random, n)];
}

int ffcl_search_random(ffcl_tuning *t, size_t first, const ffcl_caps *caps, int near,
                       uint64_t *random)
{
    enum { TRIES = 100000 };
    const size_t end = ffcl_tuning_end(first), rows = end - first;
    const int is_xgemm = !strcmp(ffcl_tuning_rows[first].kernel, "Xgemm");
    for (int i = 0; i < TRIES; i++) {
        ffcl_tuning next = *t;
        size_t changes = near ? 1 + ffcl_search_below(random, 3) : rows;
        for (size_t k = 0; k < changes; k++) {
            size_t row = near ? first + ffcl_search_below(random, rows) : first + k;
            next.value[row] = choice(row, random);
        }
        if (is_xgemm)
            settle(&next);
        if (memcmp(&next, t, sizeof next) == 0 || ffcl_tuning_check(&next, first, caps, NULL) ||
            (is_xgemm && !is_plausible(&next, caps)))
            continue;
        *t = next;
        return 0;
    }
    return -1;
}
