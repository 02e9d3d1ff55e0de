import CCurl
import CLinux
import HeapModule
import Logging
import Yams
print(String(cString: curl_version()), EPOLLIN.rawValue)
