"""Rich or lazy by the initial weights: do larger, or higher-ranked ones leave more neurons that memorise?"""
