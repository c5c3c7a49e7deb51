#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Train the kernel-message model (data/kernel-message.model) from a Linux source tree.

Distant supervision: the kernel's own authors graded every message they print. The format string of every
levelled print call of the kernel itself (not of tools, scripts and samples beside it) is a training text; emerg
to warning is a fault (1), notice to debug is none (0). Panics and calls without a level are left out. What is
shipped is 64 KiB of weights, never the strings.

Run by hand, never by the build:

    tar xf /usr/src/linux-source-6.1.tar.xz -C /tmp
    data/train-kernel-model.py /tmp/linux-source-6.1 data/kernel-message.model

Debian: apt install linux-source-6.1 python3-sklearn. The result is the same on every run: files are read in
sorted order, texts are sorted, the solver starts from zero.

Features (detector/vmft-kernel-model.c computes the same): lower-case, words [a-z]{2,}, uni- and bigrams
(words joined by one space), 32-bit FNV-1a folded to 16 bits by (h >> 16) ^ h, a binary bag, L2-normalised.
At run time a printk stamp, masks (<:NUM:>, <*>) and bare hexadecimal numbers are passed over first, as
conversion specifications are here.
p = 1 / (1 + exp (-(bias + scale * sum (weight) / sqrt (n)))), n the number of buckets that are set.

File format: text lines up to an empty line, then 2^16 signed bytes.
    vmft kernel-message model 1
    bits 16
    scale S         real weight = S * byte
    bias B
    source ...      what it was trained on
    sha256 HEX      of all lines above this one and the weights
"""
import argparse
import hashlib
import os
import re
import sys

import numpy
import scipy.sparse
from sklearn.linear_model import LogisticRegression

BITS = 16
LEVELS = {'emerg': 1, 'alert': 1, 'crit': 1, 'err': 1, 'error': 1, 'warn': 1, 'warning': 1,
          'notice': 0, 'info': 0, 'debug': 0, 'dbg': 0}
NAMES = '|'.join(sorted(LEVELS, key=len, reverse=True))
NOT_THE_KERNEL = ('tools', 'scripts', 'samples', 'Documentation')

# pr_err (", dev_warn_once (dev, ", netdev_info_ratelimited (…, dev_err_probe (…, drm_dbg_kms (…, DRM_ERROR (", IWL_ERR (…
NAMED_CALL = re.compile(r'\b(\w+?_(%s)(?:_\w+)?)\s*\([^;"]{0,300}?(?=")' % NAMES, re.IGNORECASE)
# what looks like such a call and prints nothing into the log: answers to user space, tests, tables
NO_PRINT = re.compile(r'NL_SET_|IS_ERR|ERR_PTR|RETURN_ERROR|FORWARD_IF|I2C_BOARD|BTF_|WARN_ON|BUG_ON|TRACE|\w*NAME|'
                      r'ia_css_|check_warn|isst_|do_warning|snd_info_|start_error|parse_events')
# printk (KERN_ERR ", sd_printk (KERN_NOTICE, disk, ", ext4_msg (sb, KERN_WARNING, …
KERN_CALL = re.compile(r'\b\w+\s*\([^;"(){}]{0,200}?\bKERN_(EMERG|ALERT|CRIT|ERR|WARNING|NOTICE|INFO|DEBUG)\b'
                       r'[^;"{}]{0,200}?(?=")')
LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)*)"(?:\s*(?:[A-Za-z_]\w*\s*)?(?="))?')
CONVERSION = re.compile(r"%[-+ #0']*(?:\d+|\*)?(?:\.(?:\d+|\*)?)?(?:hh|h|ll|l|z|t|L|q|j)?"
                        r"(?:p[A-Za-z0-9]*|[diouxXcsneEfgGaA])")
ESCAPE = re.compile(r'\\(?:x[0-9a-fA-F]+|[0-7]+|.)')
WORD = re.compile(r'[a-z]{2,}')


def literal(text, position):
    """The string literal at position with those glued to it (format macros between them are skipped)."""
    parts = []
    match = LITERAL.match(text, position)
    while match:
        parts.append(match.group(1))
        position = match.end()
        match = LITERAL.match(text, position) if text[position:position + 1] == '"' else None
    return ''.join(parts)


def calls(text):
    """(label, string) of every levelled call; a string that both patterns lead to counts once."""
    seen = set()
    for match in NAMED_CALL.finditer(text):
        if not NO_PRINT.match(match.group(1)):
            seen.add(match.end())
            yield LEVELS[match.group(2).lower()], literal(text, match.end())
    for match in KERN_CALL.finditer(text):
        if match.end() not in seen:
            yield LEVELS[match.group(1).lower()], literal(text, match.end())


def words(string):
    string = ESCAPE.sub(' ', string).replace('%%', ' ')
    return WORD.findall(CONVERSION.sub(' ', string).lower())


def extract(tree):
    """Returns the sorted distinct (words, label) of all levelled calls, and how many calls there were."""
    texts, n_calls = set(), 0
    for folder, folders, files in os.walk(tree):
        folders[:] = sorted(name for name in folders if folder != tree or name not in NOT_THE_KERNEL)
        for name in sorted(files):
            if not name.endswith(('.c', '.h')):
                continue
            with open(os.path.join(folder, name), errors='replace') as source:
                for label, string in calls(source.read()):
                    n_calls += 1
                    found = words(string)
                    if len(found) >= 2 and 'panic' not in found:
                        texts.add((' '.join(found), label))
    return sorted(texts), n_calls


def bucket(term, cache={}):
    value = cache.get(term)
    if value is None:
        value = 0x811c9dc5
        for byte in term.encode():
            value = ((value ^ byte) * 0x01000193) & 0xffffffff
        value = ((value >> BITS) ^ value) & ((1 << BITS) - 1)
        cache[term] = value
    return value


def features(text):
    found = text.split(' ')
    terms = found + [a + ' ' + b for a, b in zip(found, found[1:])]
    return sorted({bucket(term) for term in terms})


def matrix(texts):
    indices, pointers = [], [0]
    values = []
    for text in texts:
        row = features(text)
        indices += row
        values += [1 / len(row) ** 0.5] * len(row)
        pointers.append(len(indices))
    return scipy.sparse.csr_matrix((values, indices, pointers), shape=(len(texts), 1 << BITS))


def write(path, weights, bias, source):
    scale = float(numpy.abs(weights).max()) / 127
    quantised = numpy.rint(weights / scale).astype(numpy.int8).tobytes()
    head = ('vmft kernel-message model 1\nbits %d\nscale %.9g\nbias %.9g\nsource %s\n'
            % (BITS, scale, bias, source)).encode()
    digest = hashlib.sha256(head + quantised).hexdigest()
    with open(path, 'wb') as model:
        model.write(head + b'sha256 ' + digest.encode() + b'\n\n' + quantised)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('tree', help='an unpacked Linux source tree')
    parser.add_argument('model', help='the file to write')
    options = parser.parse_args()

    texts, n_calls = extract(options.tree)
    if not texts:
        sys.exit('%s: no levelled print call found' % options.tree)
    labels = numpy.array([label for _, label in texts])
    x = matrix([text for text, _ in texts])
    classifier = LogisticRegression(C=0.1, class_weight='balanced', solver='lbfgs', max_iter=1000, tol=1e-6)
    classifier.fit(x, labels)
    source = '%s, %d calls, %d texts' % (os.path.basename(os.path.normpath(options.tree)), n_calls, len(texts))
    write(options.model, classifier.coef_[0], float(classifier.intercept_[0]), source)
    print('%s: %s, %d faults, accuracy on the training texts %.3f'
          % (options.model, source, labels.sum(), classifier.score(x, labels)))


if __name__ == '__main__':
    main()
