"""What devices say of themselves: whose they were when they spoke, and when that was by a right clock.

In come a device's words without a patient, each with its arrival, and who the device was bound to. Out go events of
patients, under ids made of the word's and the patient's, and, where the record of the device changes, what corrects or
retracts those told before. Everything is a pure fold: any order of arrival ends in the same facts at the same patients.
"""
