"""Studies of virtual patients: who they are, what each arm gives them, when they leave, and what is compared.

In comes a study file, and what patients' courses came to. Out go characteristics, typical values, rules and endpoints
patient by patient, and arms compared. Every arm treats the same patients, with the same chance behind what differs from
course to course, what is measured, and who leaves.
"""
