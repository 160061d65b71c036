"""What is served, in a bucket: releases, their features and the journal that says which is live.

    work folder -> push -> s3://bucket/prefix -> fetch -> mirror folder -> service

The bucket is the truth. Whoever works on it works on a mirror: a folder laid out as `colisten run
--out` leaves one, so that everything that reads folders goes on doing so. Creating the next line of
the journal, with `If-None-Match: *`, is the only moment at which something becomes so.
"""
