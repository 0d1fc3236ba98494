"""One module a verb: options in, a call into the modules beside this folder, a result out."""
