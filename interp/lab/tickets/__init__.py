"""Subnetworks rewound to their first weights: do they carry the generalisation?"""
