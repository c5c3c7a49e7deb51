# SPDX-License-Identifier: LGPL-2.1-or-later
"""A stand-in host: a real kernel that really fails, in a virtual machine, and the record of what it logged."""
