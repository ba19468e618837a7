/* MD5 as the SQS protocol needs it (RFC 1321), for texts of up to 64 KiB. */
#ifndef POSTHORN_MD5_H
#define POSTHORN_MD5_H

#include <stddef.h>

/* Writes 32 hexadecimal digits, lower case, and a NUL. */
void md5Hex(const char *data, size_t length, char hex[33]);

#endif
