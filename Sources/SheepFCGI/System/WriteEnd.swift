/// How the attempt to write something ended that may have to wait.
enum WriteEnd { case done, failed, gaveUp }
