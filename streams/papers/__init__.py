"""The papers that a hospital asks for, made from the tree: what the program is made of, and why it is safe enough.

In come the lock files, the files of ``docs/papers``, the tests and the report of their newest run. Out go a bill of
materials (CycloneDX), licences, known vulnerabilities and the regulatory folder, or every gap that they have.
"""
