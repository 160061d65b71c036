"""What colisten is built of: every package by digest, as a bill of materials, by licence.

python -m supply lock    requirements.lock, each file by its digest
python -m supply sbom    sbom/colisten.cdx.json (CycloneDX) and docs/licences.md
"""
